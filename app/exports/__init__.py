"""What a page shows as files, and the commands that make it."""

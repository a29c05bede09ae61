"""What the app asks of a finished study."""

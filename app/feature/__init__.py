"""What a feature page shows."""

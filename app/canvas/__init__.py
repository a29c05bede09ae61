"""The genome browser of the browse page: its view, the message to the canvas, and what stands around it."""

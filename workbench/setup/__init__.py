"""How a study begins: files handed over in the app, the demo."""

"""What the program is told: settings, credentials, addresses."""

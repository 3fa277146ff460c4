"""The configuration: settings, credentials, addresses."""

"""The client for blocking code, made of the other."""

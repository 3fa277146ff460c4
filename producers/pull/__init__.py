"""Files behind an address, downloaded within bounds."""

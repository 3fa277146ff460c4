"""One module a page, or a group of pages."""

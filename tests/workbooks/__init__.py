"""Workbooks that other programs wrote, and what those programs say of them."""

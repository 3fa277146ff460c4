"""What has to hold before work can go well: facts are gathered, judged, and come with advice."""

"""What rides along in calls, because nothing keeps running."""

"""What measures speed, and compares. Every figure is a ratio or stands beside its conditions."""

"""TaskManager: a task queue for hosting where nothing may keep running."""

"""How things look on pages and in files: text, times, drawings, tasks."""

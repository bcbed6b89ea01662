"""What measures speed, and compares: ``python -m bench``. Figures are read as ratios, and stand
beside the conditions under which they were measured.
"""

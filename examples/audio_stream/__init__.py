"""
An internet radio station whose listeners hear nothing of its upgrades.
"""

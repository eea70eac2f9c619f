"""
What a migration costs, measured.
"""

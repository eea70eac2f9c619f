"""
An interactive Python shell over telnet that survives its own upgrade.
"""

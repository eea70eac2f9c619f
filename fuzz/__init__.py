"""
What is fed with whatever chance makes of it: C{make fuzz SECONDS=60}.
"""

"""
What a process does that accepts in the place of a running one, and has services of its
own for that.
"""

"""
The tests of L{migrate}, and what several of them share.
"""

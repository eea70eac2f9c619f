"""
The chat under plain twistd: C{twistd -ny benchmarks/chat.tac}.
"""

from twisted.application.service import Application

from benchmarks.chat import makeService

application = Application("chat")
makeService().setServiceParent(application)

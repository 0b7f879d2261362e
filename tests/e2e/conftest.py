"""What waits for ever, for a program that never becomes ready, fails as one test and says where."""
import signal

import pytest

LIMIT = 900		# seconds; none takes a minute, but with sanitizers, on a machine that others load


def on_alarm(_signal, _frame):
	raise TimeoutError(f"not done after {LIMIT} seconds")


def limited():
	signal.signal(signal.SIGALRM, on_alarm)
	signal.setitimer(signal.ITIMER_REAL, LIMIT, 30)	# again and again: leaving a `with` may wait, too
	yield
	signal.setitimer(signal.ITIMER_REAL, 0)


pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = pytest.hookimpl(hookwrapper=True)(limited)

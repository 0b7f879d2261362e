"""stops.py - run by gdb in a Go process: stop it the n-th time that it comes to a function, and dump it there.

make_go_cores.py sets CORE, FIFO, FUNCTION and IGNORE (how often it is let through).
"""
import gdb

gdb.execute("set pagination off")
gdb.execute("set language c")
gdb.execute("handle SIGURG nostop noprint pass")
at = int(gdb.parse_and_eval(f"(unsigned long)&'{FUNCTION}'"))
stop = gdb.Breakpoint("*" + hex(at))
stop.ignore_count = IGNORE
with open(FIFO, "w", encoding="ascii") as fifo:
	fifo.write("\n")
gdb.execute("continue")
gdb.execute(f"gcore {CORE}")
gdb.execute("delete")
gdb.execute("kill")

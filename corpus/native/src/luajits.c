/*
 * luajits.c - LuaJIT states, and how many objects of each kind were added to one.
 *
 *	luajits TRUTH		writes the truth, prints "ready PID", waits to be dumped
 *
 * lua.NAME.total is what lua_gc() itself says.  Two states run the same code, the second one the part
 * behind `if grow` too: what it has more than the first is known by count.  The collector
 * is stopped, so that nothing made on the way goes.
 */
#include "pool_truth.h"

#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>

enum { TABLES = 8000, STRINGS = 2000, CLOSURES = 500, COROUTINES = 20, USERDATA = 100 };

static const char program[] = "held = {}\n"
			      "local function add(v) held[#held + 1] = v end\n"
			      "local n = 0\n"
			      "function grow(tables, strings, closures, coroutines)\n"
			      "  for i = 1, tables do add({ i, i, i }) end\n"
			      "  for i = 1, strings do add(('x'):rep(20) .. i) end\n"
			      "  for i = 1, closures do local k = i; add(function() return k end) end\n"
			      "  for i = 1, coroutines do add(coroutine.create(print)) end\n"
			      "end\n";

lua_State *g_states[2];

static lua_State *make(int i, int tables, int strings, int closures, int coroutines, int userdata)
{
	static const char *const names[] = { "lua.first.total", "lua.second.total" };
	static const char *const places[] = { "lua.first.at", "lua.second.at" };
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	lua_gc(L, LUA_GCSTOP, 0);
	if (luaL_dostring(L, program))
		return NULL;
	lua_getglobal(L, "grow");
	lua_pushinteger(L, tables);
	lua_pushinteger(L, strings);
	lua_pushinteger(L, closures);
	lua_pushinteger(L, coroutines);
	if (lua_pcall(L, 4, 0, 0))
		return NULL;
	lua_getglobal(L, "held");
	for (int k = 0; k < userdata; k++) {
		lua_newuserdata(L, 64);
		lua_rawseti(L, -2, 100000 + k);
	}
	lua_pop(L, 1);
	truth_total(names[i], (uint64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (uint64_t)lua_gc(L, LUA_GCCOUNTB, 0));
	truth_total(places[i], (uintptr_t)L ^ TRUTH_MASK);
	return L;
}

int main(int argc, char **argv)
{
	(void)argc;
	truth_open(argv[1], 1000);
	g_states[0] = make(0, 0, 0, 0, 0, 0);
	g_states[1] = make(1, TABLES, STRINGS, CLOSURES, COROUTINES, USERDATA);
	truth_total("lua.tables", TABLES);
	truth_total("lua.strings", STRINGS);
	truth_total("lua.functions", CLOSURES);
	truth_total("lua.upvalues", CLOSURES);
	truth_total("lua.threads", COROUTINES);
	truth_total("lua.userdata", USERDATA);
	wipe_stack();
	truth_close();
	ready_and_wait();
}

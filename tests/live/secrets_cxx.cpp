/*
 * secrets_cxx.cpp - a process with secrets in every container of the library, short ones inside of strings.
 *
 *	secrets_cxx FILE	a secret a line
 *
 * Writes "ready" and waits.  Debug info tells what each block is; tests/e2e/test_shrink.py.
 */
#include <any>
#include <array>
#include <deque>
#include <forward_list>
#include <fstream>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include <unistd.h>

namespace shop {
struct Customer {
	int number;
	std::string name;
	std::array<char, 24> card;
	std::optional<std::string> note;
	std::variant<int, std::string> extra;
};

struct Shop {
	std::vector<std::string> lines;
	std::vector<Customer> customers;
	std::vector<char> raw;
	std::deque<std::string> queue;
	std::deque<std::array<char, 16>> cards;
	std::list<std::string> list;
	std::forward_list<std::string> forward;
	std::map<std::string, std::string> sorted;
	std::multimap<int, std::string> many;
	std::set<std::string> names;
	std::unordered_map<std::string, std::unique_ptr<Customer>> index;
	std::unordered_set<std::string> seen;
	std::vector<std::shared_ptr<std::string>> shared;
	std::vector<std::any> things;
	std::vector<std::function<size_t()>> calls;
} all;
}

using shop::all;
using shop::Customer;

static Customer customer(int i, const std::string &s)
{
	Customer c = { i, s, {}, s, s };

	s.copy(c.card.data(), c.card.size());
	return c;
}

static void put(int i, const std::string &s)
{
	std::array<char, 16> card = {};

	s.copy(card.data(), card.size());
	switch (i % 15) {
	case 0: all.lines.push_back(s); break;
	case 1: all.customers.push_back(customer(i, s)); break;
	case 2: all.raw.insert(all.raw.end(), s.begin(), s.end()); break;
	case 3: all.queue.push_back(s); break;
	case 4: all.cards.push_back(card); break;
	case 5: all.list.push_back(s); break;
	case 6: all.forward.push_front(s); break;
	case 7: all.sorted[s] = s; break;
	case 8: all.many.emplace(i % 50, s); break;
	case 9: all.names.insert(s); break;
	case 10: all.index[s] = std::make_unique<Customer>(customer(i, s)); break;
	case 11: all.seen.insert(s); break;
	case 12: all.shared.push_back(std::make_shared<std::string>(s)); break;
	case 13: all.things.emplace_back(s); break;
	case 14: all.calls.emplace_back([s] { return s.size(); }); break;
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	std::ifstream in(argv[1]);
	std::string line;

	for (int i = 0; std::getline(in, line); i++) {
		put(i, i & 16 ? line : line.substr(0, 15));
		if (i % 70 == 35) /* room that was used before */
			all.lines.pop_back();
	}
	std::cout << "ready" << std::endl;
	for (;;)
		pause();
}

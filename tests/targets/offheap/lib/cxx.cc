/* SPDX-License-Identifier: Apache-2.0 */
#include "leak.h"

#include <string>
#include <vector>

namespace shop
{
struct Order {
	char text[120];
};

static Order *volatile kept;
static char *volatile bytes;

/* Keeps a single object and an array; gives back one of each. */
class Cart
{
      public:
	void add(size_t n);
	void drop();
};

__attribute__((noinline)) void Cart::add(size_t n)
{
	kept = new Order();
	bytes = new char[n];
	bytes[0] = 1;
}

__attribute__((noinline)) void Cart::drop()
{
	Order *one = new Order();
	kept = one;
	delete one;
	char *many = new char[300];
	bytes = many;
	delete[] many;
}
} // namespace shop

void cxx_leak(size_t n)
{
	shop::Cart cart;
	cart.add(n);
	cart.drop();
	shop::bytes = nullptr;
}

void cxx_churn(long n)
{
	for (long i = 0; i < n; i++) {
		std::vector<std::string> words(3, std::string(64, 'x'));
		shop::bytes = words[0].data();
	}
	shop::bytes = nullptr;
}

// SPDX-License-Identifier: Apache-2.0
#pragma GCC optimize("omit-frame-pointer")
#include <cstddef>
#include <memory>
#include <vector>

#include "crossing.h"

static int waiting_fd;

// Memory from it comes never.
template <class T> struct waiting {
	using value_type = T;
	waiting() = default;
	template <class U> waiting(const waiting<U> &) {}
	__attribute__((noinline)) T *allocate(std::size_t n) { return wait_here(waiting_fd) ? nullptr : new T[n]; }
	void deallocate(T *, std::size_t) {}
};

namespace shapes {
template <class T> class bag {
	std::vector<T, waiting<T>> v;

    public:
	__attribute__((noinline)) void grow(std::size_t n) { v.resize(n); }
};
}

int cxx_wait(int fd)
{
	shapes::bag<double> b;
	waiting_fd = fd;
	b.grow(1000);
	return 0;
}

#include "linux/cpu_list.hh"

#include "base/error.hh"

#include <charconv>

namespace hull::linux_ {

std::vector<unsigned> parse_cpu_list(std::string_view list, unsigned end) {
    std::vector<unsigned> numbers;
    const char* at = list.data();
    const char* const text_end = at + list.size();
    while (at < text_end) {
        unsigned first = 0, last = 0;
        auto number = std::from_chars(at, text_end, first);
        last = first;
        if (number.ec == std::errc() && number.ptr < text_end && *number.ptr == '-')
            number = std::from_chars(number.ptr + 1, text_end, last);
        if (number.ec != std::errc() || last < first || last >= end ||
            (number.ptr < text_end && *number.ptr != ','))
            throw Error(ErrorKind::invalid_argument, "bad CPU list {:?}", list);
        for (unsigned cpu = first; cpu <= last; ++cpu) numbers.push_back(cpu);
        at = number.ptr < text_end ? number.ptr + 1 : text_end;
    }
    return numbers;
}

}  // namespace hull::linux_

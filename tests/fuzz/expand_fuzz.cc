#include "base/error.hh"
#include "build/dockerfile/expand.hh"
#include "build/dockerfile/instruction.hh"

#include <cstdint>
#include <cstdlib>

using namespace hull::build::dockerfile;

/// The first byte chooses the options; a text without any special character expands to itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    ExpandOptions options;
    options.escape = (data[0] & 1) != 0 ? '`' : '\\';
    options.keep_quotes = (data[0] & 2) != 0;
    options.keep_escapes = (data[0] & 4) != 0;
    options.keep_unset = (data[0] & 8) != 0;
    options.ignore_quotes = (data[0] & 16) != 0;
    const Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
        if (name.size() % 2 == 0) return std::nullopt;
        return std::string(text.substr(0, text.size() / 2));
    };
    const bool plain = text.find_first_of("$'\"\\`") == std::string_view::npos;
    try {
        UsedVariables used;
        const std::string result = expand_word(text, lookup, options, &used);
        if (plain && result != text) std::abort();
        if (plain && !(used.matched.empty() && used.unset.empty())) std::abort();
        for (const std::string& word : expand_words(text, lookup, options))
            if (word.empty()) std::abort();
    } catch (const hull::Error&) {
        if (plain) std::abort();
    }
    try {
        parse_mount(text);
    } catch (const hull::Error&) {
    }
    try {
        parse_ports({std::string(text)});
    } catch (const hull::Error&) {
    }
    return 0;
}

#include "base/error.hh"
#include "base/json.hh"
#include "base/json_text.hh"
#include "base/utf8.hh"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>

namespace hull::json {

namespace {

/// Reads one JSON text of RFC 8259 into values, without a copy of what needs none.
class Parser {
public:
    explicit Parser(std::string_view text) : text_(text) {
        if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // editors on Windows begin files so
    }

    Value parse() {
        Value result;
        parse_value(result);
        skip_space();
        if (at_ != text_.size()) fail();
        return result;
    }

private:
    static constexpr int max_depth = 200;

    [[noreturn]] void fail() const {
        throw Error(ErrorKind::invalid_argument, "invalid JSON at byte {}", at_);
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                      text_[at_] == '\t' || text_[at_] == '\r'))
            ++at_;
    }

    /// The next character that is not space; what else is there is an error.
    void expect(char wanted) {
        skip_space();
        if (peek() != wanted) fail();
        ++at_;
    }
    bool take_if(char wanted) {
        skip_space();
        if (peek() != wanted) return false;
        ++at_;
        return true;
    }

    void parse_word(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) fail();
        at_ += word.size();
    }

    void parse_value(Value& into) {
        skip_space();
        switch (peek()) {
            case '{': return parse_object(into);
            case '[': return parse_array(into);
            case '"': into = parse_string(); return;
            case 't':
                parse_word("true");
                into = true;
                return;
            case 'f':
                parse_word("false");
                into = false;
                return;
            case 'n': return parse_word("null");
            default: return parse_number(into);
        }
    }

    void enter() {
        if (++depth_ > max_depth)
            throw Error(ErrorKind::invalid_argument, "invalid JSON: nested too deep");
        ++at_;
    }

    void parse_array(Value& into) {
        enter();
        into = Array();
        Array& array = into.as_array();
        if (!take_if(']')) {
            do {
                parse_value(array.emplace_back());
            } while (take_if(','));
            expect(']');
        }
        --depth_;
    }

    void parse_object(Value& into) {
        enter();
        into = Object();
        Object& object = into.as_object();
        if (!take_if('}')) {
            do {
                skip_space();
                if (peek() != '"') fail();
                object.append(parse_string(), Value());
                expect(':');
                parse_value(std::prev(object.end())->second);
            } while (take_if(','));
            expect('}');
        }
        remove_duplicates(object);
        --depth_;
    }

    /// The last of several members with one name holds, in the place of the first. Sorted look-up:
    /// a stranger's object of a million members must not cost a million times a million.
    void remove_duplicates(Object& object) {
        if (object.size() < 2) return;
        std::vector<Object::Member*>& members = members_;
        members.clear();
        for (Object::Member& member : object) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](const auto* left, const auto* right) {
            const int order = left->first.compare(right->first);
            return order != 0 ? order < 0 : left < right;
        });
        const auto same = [](const auto* left, const auto* right) {
            return left->first == right->first;
        };
        if (std::adjacent_find(members.begin(), members.end(), same) == members.end()) return;
        std::vector<const Object::Member*> dropped;
        for (std::size_t first = 0, i = 1; i < members.size(); ++i) {
            if (!same(members[first], members[i])) {
                first = i;
                continue;
            }
            members[first]->second = std::move(members[i]->second);
            dropped.push_back(members[i]);
        }
        std::sort(dropped.begin(), dropped.end());
        Object kept;
        auto next = dropped.begin();
        for (Object::Member& member : object) {
            if (next != dropped.end() && *next == &member)
                ++next;
            else
                kept.append(std::move(member.first), std::move(member.second));
        }
        object = std::move(kept);
    }

    bool is_digit() const { return peek() >= '0' && peek() <= '9'; }
    void skip_digits() {
        if (!is_digit()) fail();
        while (is_digit()) ++at_;
    }

    void parse_number(Value& into) {
        const std::size_t begin = at_;
        if (peek() == '-') ++at_;
        if (peek() == '0')
            ++at_;
        else
            skip_digits();
        bool is_integer = true;
        if (peek() == '.') {
            is_integer = false;
            ++at_;
            skip_digits();
        }
        if (peek() == 'e' || peek() == 'E') {
            is_integer = false;
            ++at_;
            if (peek() == '+' || peek() == '-') ++at_;
            skip_digits();
        }
        const char* const first = text_.data() + begin;
        const char* const last = text_.data() + at_;
        if (is_integer) {
            long long value = 0;
            if (std::from_chars(first, last, value).ec == std::errc()) {
                into = value;
                return;
            }
            unsigned long long large = 0;  // "-5" is no unsigned number to from_chars
            if (std::from_chars(first, last, large).ec == std::errc()) {
                into = large;
                return;
            }
        }
        double value = 0;
        if (std::from_chars(first, last, value).ec != std::errc()) {
            value = std::strtod(std::string(first, last).c_str(), nullptr);  // too small is 0
            if (!std::isfinite(value)) fail();
        }
        into = value;
    }

    std::string parse_string() {
        ++at_;
        std::string out;
        for (;;) {
            const std::size_t begin = at_;
            while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
            out.append(text_, begin, at_ - begin);
            if (at_ == text_.size()) fail();
            const char c = text_[at_];
            if (c == '"') {
                ++at_;
                return out;
            }
            if (c == '\\') {
                ++at_;
                parse_escape(out);
                continue;
            }
            const std::size_t length = utf8_length(text_, at_);
            if (static_cast<unsigned char>(c) < 0x20 || length == 0) fail();
            out.append(text_, at_, length);
            at_ += length;
        }
    }

    void parse_escape(std::string& out) {
        const char c = peek();
        switch (c) {
            case '"':
            case '\\':
            case '/': out += c; break;
            case 'b': out += '\b'; break;
            case 'f': out += '\f'; break;
            case 'n': out += '\n'; break;
            case 'r': out += '\r'; break;
            case 't': out += '\t'; break;
            case 'u':
                ++at_;
                append_utf8(out, parse_code_point());
                return;
            default: fail();
        }
        ++at_;
    }
    /// After "\u": one group of four digits, or two that are a surrogate pair.
    char32_t parse_code_point() {
        const char32_t high = parse_hex4();
        if (high < 0xd800 || high > 0xdfff) return high;
        if (high > 0xdbff || text_.substr(at_, 2) != "\\u") fail();
        at_ += 2;
        const char32_t low = parse_hex4();
        if (low < 0xdc00 || low > 0xdfff) fail();
        return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    char32_t parse_hex4() {
        std::uint16_t value = 0;
        const char* const first = text_.data() + at_;
        if (text_.size() - at_ < 4 || std::from_chars(first, first + 4, value, 16).ptr != first + 4)
            fail();
        at_ += 4;
        return value;
    }

    const std::string_view text_;
    std::size_t at_ = 0;
    int depth_ = 0;
    std::vector<Object::Member*>
        members_;  ///< of remove_duplicates: one allocation for all objects
};

}  // namespace

Value parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace hull::json

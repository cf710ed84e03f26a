#include "compose/yaml_reader.hh"

#include "base/error.hh"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

namespace hull::compose {
namespace {

constexpr int max_depth = 100;
/// Nodes that aliases may add, beside ten times what the text itself has.
constexpr std::size_t max_expanded = 100'000;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    int base = 10;
    if (text.size() > 2 && text[0] == '0') {
        const char kind = text[1];
        if (kind == 'x' || kind == 'X') base = 16;
        if (kind == 'o' || kind == 'O') base = 8;
        if (kind == 'b' || kind == 'B') base = 2;
        if (base != 10) text.remove_prefix(2);
    }
    if (base == 10 && text.size() > 1 && text[0] == '0') base = 8;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return {};
    const auto number = static_cast<std::int64_t>(value);
    return negative ? -number : number;
}

/// ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$
bool looks_real(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
        const std::size_t begin = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        return at - begin;
    };
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t before = digits();
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (digits() == 0 && before == 0) return false;
    } else if (before == 0) {
        return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
        if (digits() == 0) return false;
    }
    return at == text.size();
}

/// Builds nodes from libyaml's events.
class Reader {
public:
    Reader(std::string_view text, std::string_view file) : file_(file_name(file)) {
        if (!yaml_parser_initialize(&parser_))
            throw Error(ErrorKind::internal, "libyaml: no memory");
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                     text.size());
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    }
    ~Reader() {
        yaml_event_delete(&event_);
        yaml_parser_delete(&parser_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    std::vector<Node> read_all() {
        std::vector<Node> documents;
        for (next(); event_.type != YAML_STREAM_END_EVENT; next()) {
            if (event_.type != YAML_DOCUMENT_START_EVENT) continue;
            anchors_.clear();
            next();
            Node root = read_node(0);
            if (!root.is_null()) documents.push_back(std::move(root));
        }
        return documents;
    }

private:
    struct Anchor {
        Node node;
        std::size_t size = 0;  ///< nodes in it
    };

    void next() {
        yaml_event_delete(&event_);
        std::memset(&event_, 0, sizeof event_);
        if (yaml_parser_parse(&parser_, &event_)) return;
        const yaml_mark_t mark = parser_.problem_mark;
        const std::string problem = parser_.problem ? parser_.problem : "is no YAML";
        const Place place{file_, static_cast<std::uint32_t>(mark.line) + 1,
                          static_cast<std::uint32_t>(mark.column) + 1};
        if (parser_.error == YAML_READER_ERROR)
            throw Error(ErrorKind::invalid_argument, "{}: {} (byte {})", *file_, problem,
                        parser_.problem_offset);
        std::string context;
        if (parser_.context) context = fmt::format(" ({})", parser_.context);
        throw Error(ErrorKind::invalid_argument, "{}: {}{}", to_string(place), problem, context);
    }

    Place place() const {
        return {file_, static_cast<std::uint32_t>(event_.start_mark.line) + 1,
                static_cast<std::uint32_t>(event_.start_mark.column) + 1};
    }
    [[noreturn]] static void refuse(const Place& place, std::string_view problem) {
        throw Error(ErrorKind::invalid_argument, "{}: {}", to_string(place), problem);
    }

    /// The node of the current event.
    Node read_node(int depth) {
        if (depth > max_depth) refuse(place(), "nested deeper than 100 levels");
        ++read_;
        switch (event_.type) {
            case YAML_ALIAS_EVENT: return read_alias();
            case YAML_SCALAR_EVENT: return read_scalar();
            case YAML_SEQUENCE_START_EVENT: return read_sequence(depth);
            case YAML_MAPPING_START_EVENT: return read_mapping(depth);
            default: refuse(place(), "expected a value");
        }
    }

    Node read_alias() {
        const std::string name(reinterpret_cast<const char*>(event_.data.alias.anchor));
        const auto found = anchors_.find(name);
        if (found == anchors_.end()) refuse(place(), "unknown anchor '" + name + "' referenced");
        if (!found->second) refuse(place(), "anchor '" + name + "' value contains itself");
        expanded_ += found->second->size;
        if (expanded_ > max_expanded + 10 * read_)
            refuse(place(), "aliases multiply into more than the document could mean");
        return found->second->node;
    }

    static Tag tag_of(const yaml_char_t* tag) {
        const std::string_view text = tag ? reinterpret_cast<const char*>(tag) : "";
        if (text == "!reset") return Tag::reset;
        if (text == "!override") return Tag::override;
        return Tag::none;
    }

    Node read_scalar() {
        const auto& scalar = event_.data.scalar;
        Node node;
        node.place = place();
        node.tag = tag_of(scalar.tag);
        node.kind = Kind::string;
        node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        const std::string_view tag =
            scalar.tag ? reinterpret_cast<const char*>(scalar.tag) : std::string_view();
        node.plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
        const bool untagged = tag.empty() || node.tag != Tag::none;
        if ((untagged && node.plain) || (!untagged && tag != YAML_STR_TAG && tag != "!")) {
            resolve_plain(node);
        }
        remember(scalar.anchor, node, 1);
        return node;
    }

    void remember(const yaml_char_t* anchor, const Node& node, std::size_t size) {
        if (anchor) anchors_[reinterpret_cast<const char*>(anchor)] = Anchor{node, size};
    }

    Node read_sequence(int depth) {
        Node node = Node::sequence(place());
        node.tag = tag_of(event_.data.sequence_start.tag);
        const std::string anchor = anchor_text(event_.data.sequence_start.anchor);
        open_named(anchor);
        const std::size_t before = read_ + expanded_;
        for (next(); event_.type != YAML_SEQUENCE_END_EVENT; next())
            node.items.push_back(read_node(depth + 1));
        remember_named(anchor, node, read_ + expanded_ - before + 1);
        return node;
    }

    static std::string anchor_text(const yaml_char_t* anchor) {
        return anchor ? reinterpret_cast<const char*>(anchor) : "";
    }
    /// Opens an anchor before what it names is read, so that it can be seen to contain itself.
    void open_named(const std::string& anchor) {
        if (!anchor.empty()) anchors_[anchor] = std::nullopt;
    }
    void remember_named(const std::string& anchor, const Node& node, std::size_t size) {
        if (!anchor.empty()) anchors_[anchor] = Anchor{node, size};
    }

    Node read_mapping(int depth) {
        Node node = Node::mapping(place());
        node.tag = tag_of(event_.data.mapping_start.tag);
        const std::string anchor = anchor_text(event_.data.mapping_start.anchor);
        open_named(anchor);
        const std::size_t before = read_ + expanded_;
        std::vector<Node> merged;
        std::map<std::string, Place, std::less<>> seen;
        for (next(); event_.type != YAML_MAPPING_END_EVENT; next()) {
            const Place at = place();
            const bool plain = event_.type == YAML_SCALAR_EVENT &&
                               event_.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
            const Node key = read_node(depth + 1);
            if (!key.is_scalar())
                refuse(at, "a key must be a scalar, not " + std::string(describe(key.kind)));
            next();
            const std::string name = key.is_null() ? key.text : key.to_text();
            if (name == "<<" && plain) {
                merged.push_back(read_node(depth + 1));
                continue;
            }
            const auto [first, is_new] = seen.emplace(name, at);
            if (!is_new)
                refuse(at, fmt::format("mapping key \"{}\" already defined at line {}", name,
                                       first->second.line));
            node.members.push_back({name, at, read_node(depth + 1)});
        }
        for (const Node& source : merged) merge_key(node, source);
        remember_named(anchor, node, read_ + expanded_ - before + 1);
        return node;
    }

    /// What is written in the mapping itself, or was merged earlier, wins.
    static void merge_key(Node& node, const Node& source) {
        if (source.is_sequence()) {
            for (const Node& item : source.items) {
                if (!item.is_mapping())
                    refuse(item.place, "map merge requires map or sequence of maps as the value");
                merge_key(node, item);
            }
            return;
        }
        if (!source.is_mapping())
            refuse(source.place, "map merge requires map or sequence of maps as the value");
        for (const Member& member : source.members)
            if (!node.find(member.key)) node.members.push_back(member);
    }

    const std::string* file_;
    yaml_parser_t parser_;
    yaml_event_t event_ = {};
    std::map<std::string, std::optional<Anchor>> anchors_;
    std::size_t read_ = 0, expanded_ = 0;
};

}  // namespace

void resolve_plain(Node& node) {
    const std::string& text = node.text;
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) {
        node.kind = Kind::null;
    } else if (is_one_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) {
        node.kind = Kind::boolean;
        node.boolean = text[0] == 't' || text[0] == 'T';
    } else if (is_one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
                                "-.INF"})) {
        node.kind = Kind::real;
        node.real = text[0] == '-' ? -HUGE_VAL : HUGE_VAL;
    } else if (is_one_of(text, {".nan", ".NaN", ".NAN"})) {
        node.kind = Kind::real;
        node.real = std::nan("");
    } else {
        std::string digits;
        for (const char letter : text)
            if (letter != '_') digits += letter;
        if (text[0] == '_') return;
        if (const std::optional<std::int64_t> integer = parse_integer(digits)) {
            node.kind = Kind::integer;
            node.integer = *integer;
        } else if (looks_real(digits)) {
            node.kind = Kind::real;
            const char* begin = digits.c_str() + (digits[0] == '+' ? 1 : 0);
            if (std::from_chars(begin, digits.c_str() + digits.size(), node.real).ec != std::errc())
                node.kind = Kind::string;
        }
    }
}

std::vector<Node> read_yaml(std::string_view text, std::string_view file) {
    return Reader(text, file).read_all();
}

}  // namespace hull::compose

#include "compose/yaml_writer.hh"

#include "base/text.hh"
#include "compose/yaml_reader.hh"

#include <fmt/core.h>

namespace hull::compose {
namespace {

bool is_printable(std::string_view text) {
    for (const char letter : text)
        if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) return false;
    return true;
}

/// True when a plain scalar of this text is read back as this text.
bool can_be_plain(const std::string& text) {
    if (text.empty() || text != trim(text) || !is_printable(text)) return false;
    Node probe = Node::string(text);
    resolve_plain(probe);
    if (!probe.is_string()) return false;
    // YAML 1.1 booleans, sexagesimals and dates are quoted for older readers.
    static constexpr std::string_view old_words[] = {"y",  "Y",   "yes", "Yes", "YES", "on",
                                                     "On", "ON",  "n",   "N",   "no",  "No",
                                                     "NO", "off", "Off", "OFF"};
    for (const std::string_view word : old_words)
        if (text == word) return false;
    if (text.find_first_not_of("0123456789:.") == std::string::npos &&
        text.find(':') != std::string::npos)
        return false;
    if (std::string_view("-?:,[]{}#&*!|>'\"%@`").find(text[0]) != std::string_view::npos) {
        const bool word = (text[0] == '-' || text[0] == '?' || text[0] == ':') && text.size() > 1 &&
                          text[1] != ' ';
        if (!word) return false;
    }
    if (text.starts_with("---") || text.starts_with("...") || text == "<<" || text == "=")
        return false;
    return text.find(": ") == std::string::npos && text.find(" #") == std::string::npos &&
           text.back() != ':';
}

std::string quote_double(std::string_view text) {
    std::string result = "\"";
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        switch (letter) {
            case '"': result += "\\\""; break;
            case '\\': result += "\\\\"; break;
            case '\n': result += "\\n"; break;
            case '\t': result += "\\t"; break;
            case '\r': result += "\\r"; break;
            case 0x1b: result += "\\e"; break;
            default:
                if (byte < 0x20 || byte == 0x7f)
                    result += fmt::format("\\x{:02X}", byte);
                else
                    result += letter;
        }
    }
    return result + "\"";
}

class Writer {
public:
    std::string text;

    void write(const Node& node, std::size_t indent) {
        if (node.is_mapping())
            write_mapping(node, indent, false);
        else if (node.is_sequence())
            write_sequence(node, indent);
        else
            text += scalar(node, indent) + "\n";
    }

private:
    static std::string scalar(const Node& node, std::size_t indent) {
        if (node.is_null()) return "null";
        if (!node.is_string()) return node.to_text();
        return string(node.text, indent);
    }

    static std::string string(const std::string& value, std::size_t indent) {
        if (can_be_plain(value)) return value;
        const bool block = value.find('\n') != std::string::npos && value[0] != ' ' &&
                           value[0] != '\n' && is_block_text(value);
        if (block) return literal(value, indent);
        Node probe = Node::string(value);
        resolve_plain(probe);
        const bool resolves = !probe.is_string();
        if (!is_printable(value) || resolves || looks_old(value)) return quote_double(value);
        std::string quoted = "'";
        for (const char letter : value) quoted += letter == '\'' ? "''" : std::string(1, letter);
        return quoted + "'";
    }

    /// yaml.v3 prefers double quotes for what another reader would resolve.
    static bool looks_old(const std::string& value) {
        return value.empty() || value.find_first_not_of("0123456789:.") == std::string::npos ||
               (value.size() <= 3 && value.find_first_not_of("yYesSnNoOfF") == std::string::npos);
    }

    static bool is_block_text(const std::string& value) {
        for (const char letter : value)
            if (letter != '\n' && letter != '\t' &&
                (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f))
                return false;
        return value.find(" \n") == std::string::npos;
    }

    static std::string literal(const std::string& value, std::size_t indent) {
        std::string result = "|";
        if (value.back() != '\n')
            result += "-";
        else if (value.size() > 1 && value[value.size() - 2] == '\n')
            result += "+";
        std::string_view body = value;
        if (body.ends_with('\n')) body.remove_suffix(1);
        for (const std::string_view line : split_views(body, '\n'))
            result += "\n" + (line.empty() ? "" : std::string(indent, ' ') + std::string(line));
        return result;
    }

    void write_mapping(const Node& node, std::size_t indent, bool after_dash) {
        bool first = after_dash;
        for (const Member& member : node.members) {
            if (!first) text += std::string(indent, ' ');
            first = false;
            text += string(member.key, indent) + ":";
            write_value(member.value, indent + 2);
        }
    }

    void write_value(const Node& value, std::size_t indent) {
        if (value.is_mapping() && value.members.empty()) {
            text += " {}\n";
        } else if (value.is_sequence() && value.items.empty()) {
            text += " []\n";
        } else if (value.is_mapping()) {
            text += "\n";
            write_mapping(value, indent, false);
        } else if (value.is_sequence()) {
            text += "\n";
            write_sequence(value, indent);
        } else {
            text += " " + scalar(value, indent) + "\n";
        }
    }

    void write_sequence(const Node& node, std::size_t indent) {
        for (const Node& item : node.items) {
            text += std::string(indent, ' ') + "-";
            if (item.is_mapping() && !item.members.empty()) {
                text += " ";
                write_mapping(item, indent + 2, true);
            } else {
                write_value(item, indent + 2);
            }
        }
    }
};

}  // namespace

std::string write_yaml(const Node& node) {
    Writer writer;
    writer.write(node, 0);
    return std::move(writer.text);
}

}  // namespace hull::compose

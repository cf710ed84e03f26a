#include "base/error.hh"
#include "base/sys.hh"
#include "base/time.hh"
#include "shim/log_writer.hh"

#include <fcntl.h>
#include <fmt/core.h>

#include <array>
#include <string>

namespace hull::shim {

namespace {

/// Docker cuts longer lines into several entries.
constexpr std::size_t max_entry_bytes = 16 << 10;
/// Entries are collected up to this and written at once.
constexpr std::size_t batch_bytes = 64 << 10;

enum Class : unsigned char { plain, escape, multibyte };

/// Which bytes Docker's encoder copies as they are. `<`, `>` and `&` are escaped as Go does.
constexpr std::array<Class, 256> make_classes() {
    std::array<Class, 256> classes{};
    for (int byte = 0; byte < 256; ++byte) {
        const bool is_escaped =
            byte < 0x20 || byte == '"' || byte == '\\' || byte == '<' || byte == '>' || byte == '&';
        classes[static_cast<std::size_t>(byte)] =
            byte >= 0x80 ? multibyte : (is_escaped ? escape : plain);
    }
    return classes;
}
constexpr std::array<Class, 256> classes = make_classes();

/// Length of the UTF-8 sequence at the front; 0 when it is invalid or cut off.
std::size_t sequence_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((at(i) & 0xC0) != 0x80) return 0;
    const bool is_bad = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F) ||
                        (lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F);
    return is_bad ? 0 : length;
}

void append_escape(std::string& out, unsigned char byte) {
    constexpr char digits[] = "0123456789abcdef";
    switch (byte) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        default:
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
    }
}

void append_json_text(std::string& out, std::string_view text) {
    while (!text.empty()) {
        std::size_t run = 0;
        while (run < text.size() && classes[static_cast<unsigned char>(text[run])] == plain) ++run;
        out.append(text.substr(0, run));
        text.remove_prefix(run);
        if (text.empty()) return;
        if (classes[static_cast<unsigned char>(text[0])] == escape) {
            append_escape(out, static_cast<unsigned char>(text[0]));
            text.remove_prefix(1);
        } else if (const std::size_t length = sequence_length(text)) {
            out.append(text.substr(0, length));
            text.remove_prefix(length);
        } else {
            out += "\\ufffd";
            text.remove_prefix(1);
        }
    }
}

/// Where to cut a line of which only `text` is there: not inside a UTF-8 sequence.
std::size_t cut_point(std::string_view text) {
    std::size_t cut = text.size();
    for (int back = 0; back < 3 && cut > 1; ++back) {
        const auto byte = static_cast<unsigned char>(text[cut - 1]);
        if (byte < 0x80) return text.size();
        --cut;
        if (byte >= 0xC0) return sequence_length(text.substr(cut)) ? text.size() : cut;
    }
    return text.size();
}

class JsonFileLog final : public LogWriter {
public:
    JsonFileLog(const LogConfig& config, std::string_view id)
        : path_(join(config.directory, std::string(id) + "-json.log")),
          max_size_bytes_(config.max_size_bytes),
          max_files_(config.max_files ? config.max_files : 1) {
        const std::string attributes =
            config.attributes.empty() ? "" : fmt::format(R"("attrs":{},)", config.attributes);
        tails_[0] = fmt::format(R"(","stream":"stdout",{}"time":")", attributes);
        tails_[1] = fmt::format(R"(","stream":"stderr",{}"time":")", attributes);
        sys::mkdir_all(config.directory, 0700);
        open_file();
        char last = '\n';
        if (size_ > 0 && ::pread(file_.get(), &last, 1, static_cast<off_t>(size_ - 1)) == 1 &&
            last != '\n')
            append_whole(file_.get(), size_, "\n");  // a torn entry stays one bad line
    }

    void write(int stream, std::int64_t time_ns, std::string_view bytes) override {
        std::string& pending = pending_[stream == 2];
        std::string batch;
        time_ = format_rfc3339(time_ns);
        while (!bytes.empty()) {
            const std::size_t newline = bytes.find('\n');
            const std::size_t room = max_entry_bytes - pending.size();
            const bool is_line = newline != std::string_view::npos && newline < room;
            const std::size_t take =
                is_line ? newline + 1 : (bytes.size() < room ? bytes.size() : room);
            if (is_line && pending.empty()) {
                append_entry(batch, stream, bytes.substr(0, take));
            } else {
                pending.append(bytes.substr(0, take));
                if (is_line || pending.size() >= max_entry_bytes) {
                    const std::size_t cut = is_line ? pending.size() : cut_point(pending);
                    append_entry(batch, stream, std::string_view(pending).substr(0, cut));
                    pending.erase(0, cut);
                }
            }
            bytes.remove_prefix(take);
            if (batch.size() >= batch_bytes) flush(batch);
        }
        flush(batch);
        if (pending.empty()) pending = std::string();
    }

    void finish() override {
        std::string batch;
        time_ = format_rfc3339(now_ns());
        for (const int stream : {1, 2}) {
            std::string& pending = pending_[stream == 2];
            if (!pending.empty()) append_entry(batch, stream, pending);
            pending.clear();
        }
        flush(batch);
    }

private:
    void open_file() {
        file_ = sys::open(path_, O_RDWR | O_CREAT | O_APPEND, 0640);
        size_ = static_cast<std::uint64_t>(sys::fstat(file_.get()).st_size);
    }

    void append_entry(std::string& batch, int stream, std::string_view line) {
        const std::size_t before = batch.size();
        batch += R"({"log":")";
        append_json_text(batch, line);
        batch += tails_[stream == 2];
        batch += time_;
        batch += "\"}\n";
        if (max_size_bytes_ == 0 || size_ + batch.size() <= max_size_bytes_) return;
        // Docker rotates between entries, so each file stays below its limit.
        std::string last = batch.substr(before);
        batch.resize(before);
        flush(batch);
        if (size_ > 0) rotate();
        batch = std::move(last);
    }

    /// People truncate and delete these files by hand: the size is asked for, and a deleted file
    /// is made anew.
    void flush(std::string& batch) {
        if (batch.empty()) return;
        const struct stat status = sys::fstat(file_.get());
        size_ = static_cast<std::uint64_t>(status.st_size);
        if (status.st_nlink == 0) reopen();
        if (append_whole(file_.get(), size_, batch)) size_ += batch.size();
        batch.clear();
    }

    void reopen() {
        try {
            open_file();
        } catch (const Error&) {  // the directory is gone too: the old inode takes the output
        }
    }

    /// base -> .1 -> .2 …, highest first. Names beyond max_files stay while a reader holds one.
    void rotate() {
        const auto name = [&](unsigned i) { return i ? fmt::format("{}.{}", path_, i) : path_; };
        unsigned count = 0;
        while (sys::find_stat(name(count))) ++count;
        try {
            for (unsigned i = count; i > 0; --i) sys::rename(name(i - 1), name(i));
            open_file();
        } catch (const Error&) {
            return;  // the present file goes on growing
        }
        std::vector<Path> surplus;
        for (unsigned i = count; i >= max_files_ && i > 0; --i) surplus.push_back(name(i));
        remove_surplus(surplus);
    }

    Path path_;
    std::uint64_t max_size_bytes_;
    unsigned max_files_;
    std::uint64_t size_ = 0;
    Fd file_;
    std::string pending_[2];
    std::string tails_[2];  ///< what follows the text of an entry, up to the time
    std::string time_;
};

}  // namespace

std::unique_ptr<LogWriter> open_json_file_log(const LogConfig& config, std::string_view id) {
    return std::make_unique<JsonFileLog>(config, id);
}

}  // namespace hull::shim

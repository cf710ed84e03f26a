#include "buildkit/progress.hh"

#include "base/hash.hh"
#include "base/time.hh"

namespace hull::buildkit {

namespace {

constexpr std::uint32_t vertex_field = 1, status_field = 2, log_field = 3, warning_field = 4;

}  // namespace

std::string Progress::digest_of(const std::string& key) const {
    return "sha256:" + sha256_hex(ref_ + "\n" + key);
}

void Progress::add(const MessageWriter& response) {
    told_.push_back(response.bytes());
    changed_.notify_all();
}

void Progress::tell(const std::string& key, const Vertex& vertex) {
    MessageWriter message;
    message.text(1, digest_of(key))
        .text(3, vertex.name)
        .number(4, vertex.cached)
        .time(5, vertex.started_ns)
        .time(6, vertex.completed_ns)
        .text(7, vertex.error);
    add(MessageWriter().message(vertex_field, message));
}

void Progress::announce(const std::string& key, const std::string& name) {
    const std::lock_guard lock(mutex_);
    Vertex& vertex = vertexes_[key];
    vertex.name = name;
    tell(key, vertex);
}

void Progress::start(const std::string& key, const std::string& name) {
    const std::lock_guard lock(mutex_);
    Vertex& vertex = vertexes_[key];
    if (!name.empty()) vertex.name = name;
    vertex.started_ns = now_ns();
    vertex.completed_ns = 0;
    tell(key, vertex);
}

void Progress::complete(const std::string& key, bool cached, const std::string& error) {
    const std::lock_guard lock(mutex_);
    Vertex& vertex = vertexes_[key];
    if (vertex.started_ns == 0) vertex.started_ns = now_ns();
    vertex.completed_ns = now_ns();
    vertex.cached = cached;
    vertex.error = error;
    tell(key, vertex);
}

void Progress::log(const std::string& key, std::string_view text) {
    constexpr std::uint64_t stdout_number = 1;
    MessageWriter message;
    message.text(1, digest_of(key)).time(2, now_ns()).number(3, stdout_number).text(4, text);
    const std::lock_guard lock(mutex_);
    add(MessageWriter().message(log_field, message));
}

void Progress::detail(const std::string& key, const std::string& id, std::int64_t current,
                      bool done) {
    const std::lock_guard lock(mutex_);
    std::int64_t& started_ns = vertexes_[key].details[id];
    const std::int64_t now = now_ns();
    if (started_ns == 0) started_ns = now;
    MessageWriter message;
    message.text(1, id)
        .text(2, digest_of(key))
        .text(3, id)
        .number(4, static_cast<std::uint64_t>(current))
        .time(6, now)
        .time(7, started_ns)
        .time(8, done ? now : 0);
    add(MessageWriter().message(status_field, message));
}

void Progress::warn(const std::string& key, const MessageWriter& warning) {
    MessageWriter message = warning;
    message.text(1, digest_of(key));
    const std::lock_guard lock(mutex_);
    add(MessageWriter().message(warning_field, message));
}

void Progress::end(const std::string& error) {
    const std::lock_guard lock(mutex_);
    for (auto& [key, vertex] : vertexes_) {
        if (vertex.started_ns == 0 || vertex.completed_ns != 0) continue;
        vertex.completed_ns = now_ns();
        vertex.error = error;
        tell(key, vertex);
    }
    ended_ = true;
    changed_.notify_all();
}

void Progress::follow(const std::function<void(const std::string&)>& sink) {
    std::size_t next = 0;
    for (;;) {
        std::vector<std::string> news;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return ended_ || next < told_.size(); });
            news.assign(told_.begin() + static_cast<std::ptrdiff_t>(next), told_.end());
            next = told_.size();
            if (news.empty()) return;
        }
        for (const std::string& message : news) sink(message);
    }
}

}  // namespace hull::buildkit

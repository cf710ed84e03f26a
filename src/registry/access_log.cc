#include "registry/access_log.hh"

#include "base/json.hh"
#include "base/time.hh"

#include <unistd.h>

namespace hull::registry {

void AccessLog::reopen(Fd file) {
    auto current = file_.lock();
    *current = std::move(file);
}

std::string AccessLog::format(const Entry& entry) {
    json::Object line{{"time", format_rfc3339_fixed(entry.time_ns)},
                      {"remote", entry.peer},
                      {"method", entry.method},
                      {"path", entry.path}};
    const auto add = [&](const char* name, std::string_view value) {
        if (!value.empty()) line.append(name, value);
    };
    add("query", entry.query);
    line.append("status", entry.status);
    line.append("received", entry.received);
    line.append("sent", entry.sent);
    line.append("ms", static_cast<double>(entry.duration_ns / 1000) / 1000);
    add("user", entry.user);
    add("repository", entry.repository);
    add("reference", entry.reference);
    add("user_agent", entry.user_agent);
    add("error", entry.error);
    return json::dump(line) + "\n";
}

void AccessLog::write(const Entry& entry) {
    auto file = file_.lock();
    if (!*file) return;
    const std::string line = format(entry);
    [[maybe_unused]] const ssize_t written = ::write(file->get(), line.data(), line.size());
}

}  // namespace hull::registry

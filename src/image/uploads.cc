#include "image/uploads.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/log.hh"
#include "base/time.hh"

namespace hull::image {

namespace {

/// Registries forget uploads after a week or sooner.
constexpr std::int64_t longest_kept_s = 24 * 3600, second_ns = 1'000'000'000;
constexpr std::size_t most_uploads = 1000, max_location_bytes = 16UL << 10;

}  // namespace

Uploads::Uploads(Path file) : file_(std::move(file)) {
    const auto uploads = uploads_.lock();
    try {
        const auto text = find_file(file_);
        if (!text) return;
        const json::Value content = json::parse(*text);
        const std::int64_t now_s = now_ns() / second_ns;
        for (const auto& [key, value] : content.as_object()) {
            Upload upload{value["location"].as_string(), value["begun"].as_int()};
            if (now_s - upload.begun_s < longest_kept_s) (*uploads)[key] = upload;
        }
    } catch (const Error& error) {  // then uploads begin anew
        log::warning("{}: {}", file_, error.message());
    }
}

std::string Uploads::find(const std::string& repository, const std::string& blob) {
    const auto uploads = uploads_.lock();
    const auto found = uploads->find(repository + " " + blob);
    return found == uploads->end() ? std::string() : found->second.location;
}

void Uploads::set(const std::string& repository, const std::string& blob,
                  const std::string& location) {
    const auto uploads = uploads_.lock();
    const std::string key = repository + " " + blob;
    if (location.empty()) {
        if (uploads->erase(key) == 0) return;
    } else {
        if (location.size() > max_location_bytes || uploads->size() >= most_uploads) return;
        (*uploads)[key] = {location, now_ns() / second_ns};
    }
    write(*uploads);
}

void Uploads::write(const Map& uploads) const noexcept {
    try {
        json::Object content;
        for (const auto& [key, upload] : uploads)
            content[key] = json::Object{{"location", upload.location}, {"begun", upload.begun_s}};
        replace_file(file_, json::dump(std::move(content)), 0600);
    } catch (const std::exception& error) {
        log::warning("{}: {}", file_, error.what());
    }
}

}  // namespace hull::image

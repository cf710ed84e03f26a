#include "registry/quotas.hh"

#include "registry/refusal.hh"
#include "registry/rights.hh"

namespace hull::registry {

std::optional<std::uint64_t> Quotas::find_limit(const std::string& repository) const {
    for (const Limit& limit : limits_)
        if (matches_pattern(limit.pattern, repository)) return limit.bytes;
    return std::nullopt;
}

std::uint64_t Quotas::measure(const std::string& repository) const {
    std::uint64_t bytes = 0;
    for (const ContentDigest& digest : storage_.list_blobs(repository))
        bytes += storage_.find_content_size(digest).value_or(0);
    for (const ContentDigest& digest : storage_.list_manifests(repository))
        bytes += storage_.find_content_size(digest).value_or(0);
    return bytes;
}

void Quotas::add(const std::string& repository, std::uint64_t bytes, bool keep) {
    const auto limit = find_limit(repository);
    if (!limit) return;
    auto used = used_.lock();
    auto entry = used->find(repository);
    if (entry == used->end()) entry = used->emplace(repository, measure(repository)).first;
    if (entry->second > *limit || bytes > *limit - entry->second)
        throw Refusal(403, code::denied,
                      "{} would have more than its quota of {} bytes: {} are used, {} more were "
                      "asked for",
                      repository, *limit, entry->second, bytes);
    if (keep) entry->second += bytes;
}

void Quotas::check(const std::string& repository, std::uint64_t bytes) {
    add(repository, bytes, false);
}
void Quotas::take(const std::string& repository, std::uint64_t bytes) {
    add(repository, bytes, true);
}

void Quotas::forget(const std::string& repository) { used_.lock()->erase(repository); }
void Quotas::forget_all() { used_.lock()->clear(); }

}  // namespace hull::registry

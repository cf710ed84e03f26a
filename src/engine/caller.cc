#include "engine/caller.hh"

#include <utility>

namespace hull::engine {

namespace {
/// One thread serves one connection.
thread_local std::string current_caller;
}  // namespace

CallerScope::CallerScope(std::string caller) { current_caller = std::move(caller); }

CallerScope::~CallerScope() { current_caller.clear(); }

std::string describe_request(const std::string& request) {
    return current_caller.empty() ? request : request + " by " + current_caller;
}

}  // namespace hull::engine

#pragma once
#include "base/fd.hh"
#include "base/file.hh"
#include "base/json.hh"

#include <sys/types.h>

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hull::api {
struct CreateRequest;
struct ExecCreateRequest;
}  // namespace hull::api

namespace hull::server {

class Call;

/// What may be done through a socket; each right includes the ones before it, `own` only for the
/// containers that were made through it by the same user.
/// `build` is apart from them: what hull-buildkit asks for.
enum class Rights { all, read, logs, lifecycle, own, build };
std::string_view to_string(Rights rights);

/// A socket of limited rights.
struct Door {
    Path path;
    Rights rights = Rights::read;
    std::vector<uid_t> uids;  ///< who may come in; empty: whom the file's mode lets
};
/// "path=/run/ci.sock,rights=own,uid=1000". Throws invalid_argument.
Door parse_door(std::string_view text);

/// The label by which a container made through an `own` socket is known.
inline constexpr const char* owner_label = "hull.owner";

/// Throws forbidden when `call`, whose route is `pattern`, is more than its socket allows.
void check_rights(const Call& call, std::string_view pattern);
/// For `own` sockets: refuses everything that leads out of a container, and marks it as the
/// caller's. Throws forbidden naming the member.
void confine(const Call& call, api::CreateRequest& request);
void confine(const Call& call, const api::ExecCreateRequest& request);
/// For hull-buildkit: refuses directories and sockets that are not its own in what a build asks for
/// beyond Docker's parameters.
void confine_build(const Call& call, const json::Value& extra);
/// The label that lists are limited to; "" without a limit.
std::string owner_filter(const Call& call);

/// Who changed what: one JSON line per request that is not a mere question.
class AuditLog {
public:
    explicit AuditLog(const Path& path);
    void note(const Call& call, int status);

private:
    std::mutex mutex_;
    Fd file_;
};

}  // namespace hull::server

#include "base/advice.hh"

#include <array>
#include <vector>

namespace hull {

namespace {

/// A known text: `*` stands for anything, and is {0}, {1}, … in what to do next.
struct Known {
    std::string_view pattern, code, next;
};

// Codes are for programs and stay. The first that fits counts: the special ones come first.
constexpr Known table[] = {
    // The daemon.
    {"permission denied while trying to connect to the Docker daemon socket at *", "daemon-denied",
     "ask somebody in the socket's group, or run it as root"},
    {"Cannot connect to the Docker daemon at *. Is the docker daemon running?", "no-daemon",
     "start it with hulld -H {0}, or name another one with --host or a context"},
    {"client version * is too new. Maximum supported API version is *", "client-too-new",
     "set DOCKER_API_VERSION={1}, or update the daemon"},
    {"client version * is too old", "client-too-old", "update the client"},
    {"No space left on device", "disk-full",
     "make room: hull system df shows what takes it, hull system prune what is not used"},
    {"no space", "disk-full",
     "make room: hull system df shows what takes it, hull system prune what is not used"},
    {"too many connections: * are open", "too-many-connections",
     "end clients that listen (events, logs -f), or raise the daemon's limit of open files"},
    {"Too many open files", "too-many-files", "raise the daemon's limit of open files"},
    {"is more than * allows, which is *", "not-your-right",
     "ask on the daemon's main socket, or have hulld give this one more rights"},
    {"this socket is for containers of one's own", "leads-out",
     "leave it away, or ask on the daemon's main socket"},
    {"This node is not a swarm manager", "no-swarm",
     "use Compose: there is one host, and no swarm"},
    {"no such host", "name-not-found", "check the spelling and the name servers of this host"},
    // Programs in containers.
    {"executable file not found in $PATH", "no-such-program",
     "see what the image has: hull export, or run it with another --entrypoint"},
    {"no such file or directory: unknown", "no-such-program",
     "check the path in the image, and that the interpreter of a script is there, too"},
    {"exec: \"*\": no such file or directory", "no-such-program",
     "check the path in the image, and that the interpreter of a script is there, too"},
    {"exec: \"*\": permission denied", "program-denied",
     "make it executable in the image (chmod +x)"},
    {"exec format error", "wrong-format",
     "the program is for another machine, or a script without #! in its first line"},
    {"permission denied: unknown", "program-denied", "make it executable in the image (chmod +x)"},
    {"unable to find user *: no matching entries in passwd file", "no-such-user",
     "use a number, or add {0} to the image's /etc/passwd"},
    {"unable to find group *: no matching entries in group file", "no-such-group",
     "use a number, or add {0} to the image's /etc/group"},
    {"No command specified", "no-command", "say one after the image: it has none of its own"},
    // Containers.
    {"No such container: *", "no-such-container", "hull ps -a lists all containers"},
    {"Conflict. The container name \"*\" is already in use by container \"*\"", "name-in-use",
     "choose another --name, or remove the old one: hull rm {0}"},
    {"Invalid container name (*)", "invalid-name",
     "begin with a letter or digit, and go on with these, '_', '.' or '-'"},
    {"Cannot kill container: *: Container * is not running", "not-running",
     "hull start {0} starts it"},
    {"You cannot remove a * container *. Stop the container", "still-running",
     "hull stop {1} first, or hull rm -f"},
    {"You cannot remove a * container *. Unpause", "still-running",
     "hull unpause and stop {1} first, or hull rm -f"},
    {"removal of container * is already in progress", "being-removed", "wait for it"},
    {"container is marked for removal and cannot be started", "being-removed",
     "make a new one: this one goes"},
    {"cannot start a paused container", "paused", "hull unpause it"},
    {"Container * is paused, unpause the container before exec", "paused", "hull unpause {0}"},
    {"is already paused", "paused", "hull unpause it to let it go on"},
    {"Container * is not paused", "not-paused", "hull ps shows the state of each"},
    {"Container * is not running", "not-running", "hull start {0} starts it"},
    {"is restarting, wait until the container is running", "restarting",
     "hull logs says why it ends again and again"},
    {"cannot join namespaces of a non running container: *", "not-running", "hull start {0} first"},
    {"did not end after SIGKILL", "cannot-end",
     "a process waits in the kernel (state D): look for a dead mount or device"},
    {"Renaming a container with the same name as its current name", "same-name",
     "choose another name"},
    {"No such exec instance: *", "no-such-exec", "it has ended, or its container has"},
    {"Minimum memory limit allowed is 6MB", "limit-too-small", "give it -m 6m or more"},
    {"Minimum memoryswap limit should be larger than memory limit", "limit-too-small",
     "--memory-swap is memory plus swap: make it larger than --memory"},
    {"invalid restart policy", "invalid-restart-policy",
     "use no, on-failure[:COUNT], always or unless-stopped"},
    {"bind source path does not exist: *", "no-such-path",
     "make it first (mkdir -p {0}), or use -v, which makes it"},
    {"Duplicate mount point: *", "mounted-twice", "mount only one thing at {0}"},
    {"Invalid signal: *", "invalid-signal", "kill -l lists the names"},
    {"port is already allocated", "port-in-use",
     "hull ps shows who has it; publish another one, or remove that container"},
    {"address already in use", "port-in-use",
     "a program of the host has it (ss -tlnp shows which); publish another one"},
    {"configured logging driver does not support reading", "log-elsewhere",
     "read it where the driver sends it, or use --log-driver local"},
    {"log driver * is not supported", "no-such-log-driver",
     "use local, json-file, none, syslog, journald, fluentd or gelf"},
    {"error gathering device information while adding custom device \"*\"", "no-such-device",
     "ls -l {0}: a device of the host must be there when the container starts"},
    {"opening seccomp profile (*) failed", "no-such-profile",
     "name a file of this machine, or leave --security-opt seccomp away"},
    {"No such secret: *", "no-such-secret", "hull secret ls lists them; hull secret create {0}"},
    {"secret '*' is in use by the container *", "in-use", "hull rm {1} first"},
    {"secret * not found", "no-such-secret", "hull secret ls lists them"},
    {"secret * already exists", "name-in-use", "hull secret rm {0} first, or choose another name"},
    {"invalid health check", "invalid-health-check",
     "use --health-http [HOST:]PORT/PATH, --health-tcp PORT, --health-file /PATH or --health-cmd"},
    // Images.
    {"No such image: *", "no-such-image", "hull images lists what is here; hull pull {0} gets it"},
    {"pull access denied for *, repository does not exist", "no-such-repository",
     "check the name; if it is private, hull login first"},
    {"manifest for * not found", "no-such-tag", "check the tag: the registry does not have it"},
    {"manifest unknown", "no-such-tag", "check the tag: the registry does not have it"},
    {"unauthorized: *", "unauthorized", "hull login to the registry"},
    {"invalid reference format", "invalid-reference",
     "write it as [HOST[:PORT]/]NAME[:TAG], the name in lower case"},
    {"unable to delete * (must be forced) - image is being used by stopped container *", "in-use",
     "hull rm {1} first, or hull rmi -f"},
    {"unable to delete * (cannot be forced) - image is being used by running container *", "in-use",
     "hull rm -f {1} first"},
    {"unable to delete * (cannot be forced) - image has dependent child images", "in-use",
     "remove the images made from it first"},
    {"unable to delete * (must be forced) - image is referenced in multiple repositories",
     "several-names", "remove a name (hull rmi NAME), or all with hull rmi -f"},
    {"unable to remove repository reference * (must force) - container * is using", "in-use",
     "hull rm {1} first, or hull rmi -f"},
    {"image id prefix * is ambiguous", "ambiguous", "type more digits of it"},
    {"Multiple IDs found with provided prefix: *", "ambiguous", "type more digits of it"},
    {"multiple IDs found with provided prefix: *", "ambiguous", "type more digits of it"},
    {"does not match the specified platform", "wrong-platform",
     "leave --platform away, or load the image for that one"},
    {"does not provide the specified platform", "wrong-platform",
     "leave --platform away, or load the image for that one"},
    {"layer *: mounting", "layer-lost",
     "hull system fsck --repair forgets it; then pull or load the image again"},
    {"malformed tar", "not-an-image",
     "hull load takes what hull save or an OCI layout gives; hull import takes a root as a tar"},
    {"unrecognized image format", "not-an-image",
     "hull load takes what hull save or an OCI layout gives; hull import takes a root as a tar"},
    // Networks and volumes.
    {"network * not found", "no-such-network",
     "hull network ls lists them; hull network create {0} makes it"},
    {"network with name * already exists", "name-in-use", "use it, or hull network rm {0} first"},
    {"network * has active endpoints", "in-use",
     "hull network disconnect -f or remove its containers first"},
    {"Pool overlaps with other one", "subnet-in-use", "choose another --subnet, or none"},
    {"no available addresses", "network-full",
     "remove containers, or make a network with a larger --subnet"},
    {"get *: no such volume", "no-such-volume",
     "hull volume ls lists them; hull volume create {0} makes it"},
    {"volume is in use - [*]", "in-use", "hull rm the container {0} first"},
    {"includes invalid characters for a local volume name", "invalid-name",
     "use letters, digits, '_', '.' and '-', or a path with a slash in it for a bind"},
    // Files.
    {"Could not find the file * in container *", "no-such-path",
     "hull exec {1} ls shows what is there"},
    {"must specify at least one container source", "no-container-path",
     "one side is CONTAINER:PATH"},
    {"no such directory: * (", "no-such-path", "make it first: mkdir -p {0}"},
    {"No such object: *", "no-such-object",
     "hull ps -a, hull images, hull network ls and hull volume ls list what there is"},
    {"context \"*\": context not found", "no-such-context", "hull context ls lists them"},
    {"unable to parse docker host", "invalid-host",
     "write it as unix:///path, tcp://host:port or ssh://user@host"},
    {"invalid output path", "no-such-path", "make the directory first"},
    // Everything else.
    {"unknown flag: *", "unknown-flag", "--help behind the command lists its flags"},
    {"unknown shorthand flag", "unknown-flag", "--help behind the command lists its flags"},
    {"invalid filter", "invalid-filter", "--help and its completion know the filters"},
    {"template parsing error", "invalid-template", "{{json .}} shows what there is"},
    {"failed to parse template", "invalid-template", "{{json .}} shows what there is"},
    {"invalid JSON", "invalid-json", "check the body of the request"},
    {"page not found", "no-such-endpoint", "check the path and the version in it"},
};

struct Standard {
    ErrorKind kind;
    std::string_view code, next;
};
constexpr Standard standards[] = {
    {ErrorKind::invalid_argument, "invalid-argument", "--help behind the command says what fits"},
    {ErrorKind::unauthorized, "unauthorized", "hull login"},
    {ErrorKind::forbidden, "forbidden", "ask somebody with more rights"},
    {ErrorKind::not_found, "not-found", "check the name"},
    {ErrorKind::conflict, "conflict", "hull inspect shows the state it is in"},
    {ErrorKind::not_modified, "not-modified", "nothing is to be done"},
    {ErrorKind::unsupported, "unsupported", "do without it: the daemon does not have it"},
    {ErrorKind::unavailable, "unavailable", "try again; the daemon's log says more"},
    {ErrorKind::cancelled, "cancelled", "ask again"},
    {ErrorKind::data_loss, "data-loss",
     "something in the store is damaged: hull system fsck says what"},
    {ErrorKind::internal, "internal", "the daemon's log says more"},
};

/// What the stars stand for when `text` has `pattern` in it. A star takes as little as it can; the
/// last one all of the line.
bool find_stars(std::string_view text, std::string_view pattern,
                std::vector<std::string_view>& stars) {
    std::size_t star = pattern.find('*');
    std::size_t at = text.find(pattern.substr(0, star));
    if (at == std::string_view::npos) return false;
    at += std::min(star, pattern.size());
    while (star != std::string_view::npos) {
        const std::size_t next = pattern.find('*', star + 1);
        const std::string_view piece = pattern.substr(star + 1, next - star - 1);
        const std::size_t end =
            piece.empty() ? std::min(text.find('\n', at), text.size()) : text.find(piece, at);
        if (end == std::string_view::npos) return false;
        stars.push_back(text.substr(at, end - at));
        at = end + piece.size();
        star = next;
    }
    return true;
}

std::string fill_in(std::string_view text, const std::vector<std::string_view>& stars) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_place = text[i] == '{' && i + 2 < text.size() && text[i + 2] == '}' &&
                              text[i + 1] >= '0' && text[i + 1] <= '9';
        const std::size_t number = is_place ? static_cast<std::size_t>(text[i + 1] - '0') : 0;
        if (!is_place || number >= stars.size()) {
            result += text[i];
            continue;
        }
        result += stars[number];
        i += 2;
    }
    return result;
}

}  // namespace

Advice find_advice(ErrorKind kind, std::string_view message) {
    std::vector<std::string_view> stars;
    for (const Known& known : table) {
        stars.clear();
        if (find_stars(message, known.pattern, stars))
            return {known.code, fill_in(known.next, stars)};
    }
    for (const Standard& standard : standards)
        if (standard.kind == kind) return {standard.code, std::string(standard.next)};
    return {"internal", ""};
}

}  // namespace hull

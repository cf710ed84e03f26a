#include "base/error.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "cli/commands.hh"
#include "cli/credentials.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <termios.h>
#include <unistd.h>

#include <array>

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"password", 'p', FlagType::text,
     "Password or token (others may see it: use --password-stdin)"},
    {"password-stdin", 0, FlagType::boolean, "Take the password from stdin"},
    {"username", 'u', FlagType::text, "User name"},
};

/// What is typed next is not shown while it lives.
class Unseen {
public:
    Unseen() {
        is_set_ = ::tcgetattr(STDIN_FILENO, &before_) == 0;
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (is_set_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    ~Unseen() {
        if (is_set_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    Unseen(const Unseen&) = delete;
    Unseen& operator=(const Unseen&) = delete;

private:
    termios before_{};
    bool is_set_ = false;
};

std::string read_typed_line() {
    std::string line;
    char c = 0;
    while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') line += c;
    return std::string(trim(line));
}

std::string read_all_of_stdin() {
    std::string text;
    std::array<std::byte, 4096> buffer;
    while (const std::size_t count = sys::read(STDIN_FILENO, buffer))
        text.append(reinterpret_cast<const char*>(buffer.data()), count);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

json::Value log_in(Session& session, const json::Value& credentials) {
    return session.ask(
        [&](client::Client& daemon) { return daemon.post("/auth", {}, credentials); });
}

void ask_for_credentials(Session& session, const std::string& key, std::string& username,
                         std::string& password, const std::string& known_user) {
    if (!is_terminal(STDIN_FILENO))
        throw Error(ErrorKind::invalid_argument,
                    "Cannot perform an interactive login from a non TTY device");
    if (username.empty()) {
        if (key == hub_key)
            session.print_line(
                "Log in with your Docker ID to push and pull images from Docker Hub.");
        session.print(known_user.empty() ? "Username: "
                                         : fmt::format("Username ({}): ", known_user));
        username = read_typed_line();
        if (username.empty()) username = known_user;
        if (username.empty()) throw Error(ErrorKind::invalid_argument, "Username is required");
    }
    session.print("Password: ");
    {
        const Unseen unseen;
        password = read_typed_line();
    }
    session.print("\n");
    if (password.empty()) throw Error(ErrorKind::invalid_argument, "Password is required");
}

int run(Invocation& call) {
    Session& session = call.session;
    const Arguments& arguments = call.arguments;
    const std::string key = registry_key_of_server(
        arguments.positional.empty() ? std::string() : arguments.positional[0]);
    std::string username = arguments.text("username"), password = arguments.text("password");
    if (arguments.given("password")) {
        session.complain(
            "WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
        if (arguments.flag("password-stdin"))
            throw Error(ErrorKind::invalid_argument,
                        "--password and --password-stdin are mutually exclusive");
    }
    if (arguments.flag("password-stdin")) {
        if (username.empty())
            throw Error(ErrorKind::invalid_argument,
                        "Must provide --username with --password-stdin");
        password = read_all_of_stdin();
    }
    json::Value known = find_credentials(session, key);
    json::Value reply;
    bool is_known_good = false;
    if (username.empty() && password.empty() && known.is_object()) {
        session.print_line("Authenticating with existing credentials...");
        try {
            reply = log_in(session, known);
            is_known_good = true;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::unauthorized) throw;
            session.complain("Login did not succeed, error: " + error.message());
        }
    }
    json::Value credentials = known;
    if (!is_known_good) {
        if (password.empty())
            ask_for_credentials(session, key, username, password,
                                known.is_object() && known["username"].is_string()
                                    ? known["username"].as_string()
                                    : "");
        credentials =
            json::Object{{"username", username}, {"password", password}, {"serveraddress", key}};
        reply = log_in(session, credentials);
    }
    if (const json::Value& token = reply["IdentityToken"];
        token.is_string() && !token.as_string().empty())
        credentials["identitytoken"] = token;
    if (!is_known_good || credentials["identitytoken"].is_string()) {
        if (store_credentials(session, key, credentials))
            session.complain(
                fmt::format("\nWARNING! Your credentials are stored unencrypted in "
                            "'{}/config.json'.\nConfigure a "
                            "credential helper to remove this warning. See\n"
                            "https://docs.docker.com/go/credential-store/\n",
                            session.configuration.directory()));
    }
    session.print_line(reply["Status"].is_string() ? reply["Status"].as_string()
                                                   : "Login Succeeded");
    return 0;
}

int run_logout(Invocation& call) {
    const std::vector<std::string>& names = call.arguments.positional;
    const std::string key = registry_key_of_server(names.empty() ? std::string() : names[0]);
    call.session.print_line(fmt::format("Removing login credentials for {}", key));
    if (!erase_credentials(call.session, key))
        call.session.complain(fmt::format("Not logged in to {}", key));
    return 0;
}

}  // namespace

const Command login_command{
    .name = "login",
    .usage = "[OPTIONS] [SERVER]",
    .summary = "Log in to a registry",
    .args = at_most(1),
    .flags = flags,
    .run = run,
};

const Command logout_command{
    .name = "logout",
    .usage = "[SERVER]",
    .summary = "Log out from a registry",
    .args = at_most(1),
    .run = run_logout,
};

}  // namespace hull::cli

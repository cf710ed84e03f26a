#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "cli/create_flags.hh"
#include "cli/pull.hh"
#include "cli/session.hh"

namespace hull::cli {
namespace {

/// The file that --cidfile names: made before the container so that two runs cannot share it,
/// removed again when there was no container to write into it.
class IdFile {
public:
    explicit IdFile(const Path& path) : path_(path) {
        if (path.empty()) return;
        if (sys::find_stat(path))
            throw Error(ErrorKind::conflict,
                        "container ID file found, make sure the other container isn't running or "
                        "delete {}",
                        path);
        file_ = with_context([&] { return sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0644); },
                             "failed to create the container ID file");
    }
    ~IdFile() {
        if (file_ && !written_) ::unlink(path_.c_str());
    }
    void write(const std::string& id) {
        if (!file_) return;
        sys::write_all(file_.get(), id);
        written_ = true;
    }

private:
    Path path_;
    Fd file_;
    bool written_ = false;
};

}  // namespace

CreatedContainer create_container(Session& session, const Arguments& arguments,
                                  const api::CreateRequest& request) {
    const std::string& policy = arguments.text("pull");
    if (policy != "always" && policy != "missing" && policy != "never")
        throw Error(
            ErrorKind::invalid_argument,
            "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
            policy);
    IdFile id_file(arguments.text("cidfile"));
    const std::string platform = chosen_platform(arguments);
    const std::string& image = request.config.image;
    const auto create = [&] {
        return session.ask([&](client::Client& daemon) {
            return daemon.create_container(request, arguments.text("name"), platform);
        });
    };
    const PullOutput output =
        arguments.flag("quiet") ? PullOutput::quiet : PullOutput::standard_error;
    if (policy == "always") pull_image(session, image, platform, output);
    api::CreateResponse created;
    try {
        created = create();
    } catch (const Error& error) {
        const bool missing = error.kind() == ErrorKind::not_found &&
                             error.message().find("No such image") != std::string::npos;
        if (!missing || policy != "missing") throw;
        session.complain(fmt::format("Unable to find image '{}' locally", with_default_tag(image)));
        pull_image(session, image, platform, output);
        created = create();
    }
    for (const std::string& warning : created.warnings) session.complain("WARNING: " + warning);
    id_file.write(created.id);
    return {created.id};
}

}  // namespace hull::cli

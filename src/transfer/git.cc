#include "transfer/git.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "base/text.hh"

#include <fcntl.h>

#include <string>
#include <vector>

namespace hull::transfer {

namespace {

constexpr std::size_t most_output_bytes = 64UL << 20, most_error_bytes = 2000;
constexpr const char* tree = "/tmp/tree";

bool is_commit(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Options of every call: nothing of this machine's users, no local files, no questions.
std::vector<std::string> common_words(const json::Value& request) {
    std::vector<std::string> words{"/usr/bin/setpriv",  // it dies with us
                                   "--pdeathsig",
                                   "KILL",
                                   "/usr/bin/git",
                                   "-c",
                                   "protocol.file.allow=never",
                                   "-c",
                                   "protocol.ext.allow=never",
                                   "-c",
                                   "core.hooksPath=/dev/null",
                                   "-c",
                                   "core.symlinks=true",
                                   "-c",
                                   "advice.detachedHead=false",
                                   "-c",
                                   "safe.directory=*"};
    if (request["header"].is_string())
        words.insert(words.end(), {"-c", "http.extraHeader=" + request["header"].as_string()});
    return words;
}

class Git {
public:
    explicit Git(const json::Value& request) : request_(request), url_(request["url"].as_string()) {
        if (url_.starts_with('-'))
            throw Error(ErrorKind::invalid_argument, "{} is no address of a repository", url_);
    }

    std::string find_commit(const std::string& ref) {
        if (is_commit(ref)) return ref;
        if (ref.starts_with('-'))
            throw Error(ErrorKind::invalid_argument, "{} is no name of a branch or tag", ref);
        const std::string output = run({"ls-remote", "--", url_});
        std::string found;
        int best = 0;
        for (const std::string& line : split_nonempty(output, '\n')) {
            const std::size_t tab = line.find('\t');
            if (tab == std::string::npos) continue;
            const int rank = rank_of(line.substr(tab + 1), ref);
            if (rank <= best) continue;
            best = rank;
            found = line.substr(0, tab);
        }
        if (!is_commit(found))
            throw Error(ErrorKind::not_found, "repository {} does not contain ref {}", url_,
                        ref.empty() ? "HEAD" : ref);
        return found;
    }

    void check_out(const std::string& commit, const std::string& ref) {
        run({"init", "-q", "-b", "main", tree});
        in_tree({"remote", "add", "origin", "--", url_});
        if (!fetch({"--depth=1", "origin", commit}) &&
            !(!ref.empty() && !is_commit(ref) && fetch({"--depth=1", "origin", ref}) &&
              has(commit)) &&
            !fetch({"--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"}))
            throw Error(ErrorKind::unavailable, "fetching {}: {}", url_, errors_);
        if (!has(commit) && !fetch({"origin", "+refs/*:refs/remotes/all/*"}))
            throw Error(ErrorKind::unavailable, "fetching {}: {}", url_, errors_);
        in_tree({"checkout", "-q", "--detach", commit});
        const std::string head(trim(in_tree({"rev-parse", "HEAD"})));
        if (head != commit)
            throw Error(ErrorKind::data_loss, "{} gave commit {} for {}", url_, head, commit);
        if (request_["submodules"].as_bool() && sys::find_stat(std::string(tree) + "/.gitmodules"))
            update_submodules();
        if (!request_["keepGitDir"].as_bool()) sys::remove_tree(std::string(tree) + "/.git");
    }

private:
    void update_submodules() {
        const std::vector<std::string> words{"submodule", "--quiet", "update", "--init",
                                             "--recursive"};
        try {
            std::vector<std::string> shallow = words;
            shallow.push_back("--depth=1");
            in_tree(std::move(shallow));
        } catch (const Error&) {  // a server of plain files has whole histories only
            in_tree(words);
        }
    }

    /// How well a ref of the repository fits the name that was asked for; 0: not at all.
    static int rank_of(const std::string& name, const std::string& ref) {
        if (ref.empty()) return name == "HEAD" ? 1 : 0;
        // An annotated tag is followed by the commit it names.
        if (name == "refs/tags/" + ref + "^{}" || name == ref + "^{}") return 5;
        if (name == ref) return 4;
        if (name == "refs/tags/" + ref) return 3;
        if (name == "refs/heads/" + ref) return 2;
        return name == "refs/" + ref ? 1 : 0;
    }

    bool has(const std::string& commit) {
        return attempt({"-C", tree, "cat-file", "-e", commit + "^{commit}"});
    }
    bool fetch(std::vector<std::string> words) {
        words.insert(words.begin(), {"-C", tree, "fetch", "-q"});
        return attempt(words);
    }
    std::string in_tree(std::vector<std::string> words) {
        words.insert(words.begin(), {"-C", tree});
        return run(words);
    }

    std::string run(const std::vector<std::string>& words) {
        if (!attempt(words))
            throw Error(ErrorKind::unavailable, "git {} {}: {}",
                        words[0] == "-C" ? words[2] : words[0], url_, errors_);
        return output_;
    }

    /// False when it says no; then `errors_` is why.
    bool attempt(const std::vector<std::string>& words) {
        Command command;
        command.arguments = common_words(request_);
        command.arguments.insert(command.arguments.end(), words.begin(), words.end());
        command.environment = std::vector<std::string>{
            "PATH=/usr/bin:/bin",
            "HOME=/tmp",
            "GIT_CONFIG_NOSYSTEM=1",
            "GIT_CONFIG_GLOBAL=/dev/null",
            "GIT_TERMINAL_PROMPT=0",
            "GIT_LFS_SKIP_SMUDGE=1",
            "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=yes",
            "LC_ALL=C"};
        const Fd null = sys::open("/dev/null", O_RDWR);
        Fd errors = make_memory_file("git errors");
        sys::Pipe pipe = sys::pipe();
        command.descriptors = {{null.get(), 0}, {pipe.write_end.get(), 1}, {errors.get(), 2}};
        Process process = Process::spawn(command);
        pipe.write_end.reset();
        output_.clear();
        std::vector<std::byte> buffer(64UL << 10);
        while (const std::size_t count = sys::read(pipe.read_end.get(), buffer)) {
            output_.append(reinterpret_cast<const char*>(buffer.data()), count);
            if (output_.size() > most_output_bytes)
                throw Error(ErrorKind::invalid_argument, "{} has too many refs", url_);
        }
        const ExitStatus status = process.wait();
        errors_ = read_as_line(errors.get(), most_error_bytes);
        return status.docker_code() == 0;
    }

    const json::Value& request_;
    const std::string url_;
    std::string output_, errors_;
};

}  // namespace

void git(const json::Value& request, Messages& messages) {
    if (!sys::find_stat("/usr/bin/git"))
        throw Error(ErrorKind::unsupported,
                    "git is not installed where the daemon runs: apt-get install git");
    Git git(request);
    const std::string& ref = request["ref"].as_string();
    if (request["ask"].as_string() == "commit") {
        messages.report(json::Object{{"result", json::Object{{"commit", git.find_commit(ref)}}}});
        return;
    }
    git.check_out(request["commit"].as_string(), ref);
    messages.report(json::Object{{"result", json::Object{{"tree", "tree"}}}});
}

}  // namespace hull::transfer

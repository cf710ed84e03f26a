#include "archive/tar_reader.hh"
#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/commands.hh"
#include "cli/context_endpoint.hh"
#include "cli/session.hh"
#include "cli/terminal.hh"

#include <unistd.h>

namespace hull::cli {
namespace {

using archive::Entry;
using archive::EntryType;

constexpr std::uint64_t largest_member = 10UL << 20;
constexpr std::string_view tls_prefix = "tls/docker/";

std::string pack(const Context& context, const TlsFiles& tls) {
    std::string bytes;
    archive::TarWriter tar([&](std::span<const std::byte> piece) {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    const auto add = [&](std::string name, std::string_view content, std::uint32_t mode) {
        Entry entry;
        entry.name = std::move(name);
        entry.mode = mode;
        entry.size = entry.stored_size = content.size();
        tar.add_file(entry, content);
    };
    add("meta.json", json::dump(context.metadata), 0644);
    for (std::string_view name : {"tls", "tls/docker"}) {
        Entry directory;
        directory.type = EntryType::directory;
        directory.name = name;
        directory.mode = 0700;
        if (name == "tls" || !tls.empty()) tar.add(directory);
    }
    for (const auto& [file, content] : tls) add(std::string(tls_prefix) + file, content, 0600);
    tar.finish();
    return bytes;
}

struct Packed {
    Context context;
    TlsFiles tls;
};

Packed unpack(int input) {
    archive::FdSource source(input);
    archive::TarReader tar(source);
    Packed packed;
    while (const Entry* entry = tar.next_entry()) {
        if (entry->type == EntryType::directory) continue;
        const std::string name = entry->name;
        if (entry->type != EntryType::file || entry->size > largest_member)
            throw Error(ErrorKind::invalid_argument, "{} is no file of a context",
                        archive::quoted(name));
        std::string content;
        for (auto piece = tar.next(); !piece.empty(); piece = tar.next())
            content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        if (name == "meta.json")
            packed.context.metadata = json::parse(content);
        else if (name == "tls/docker/ca.pem" || name == "tls/docker/cert.pem" ||
                 name == "tls/docker/key.pem")
            packed.tls[name.substr(tls_prefix.size())] = std::move(content);
        else if (!name.starts_with("tls/"))  // of other endpoints
            throw Error(ErrorKind::invalid_argument, "unexpected {} in a context",
                        archive::quoted(name));
    }
    if (!packed.context.metadata.is_object())
        throw Error(ErrorKind::invalid_argument, "there is no meta.json in it");
    return packed;
}

int export_context(Invocation& call) {
    const std::vector<std::string>& words = call.arguments.positional;
    const std::string& name = words[0];
    check_context_name(name);
    const ContextStore store(call.session.configuration.directory());
    const std::string bytes = pack(store.get(name), store.read_tls(name));
    const std::string path = words.size() > 1 ? words[1] : name + ".dockercontext";
    if (path == "-") {
        if (is_terminal(STDOUT_FILENO))
            throw Error(ErrorKind::invalid_argument,
                        "cowardly refusing to export to a terminal, specify a file path");
        call.session.print(bytes);
        return 0;
    }
    const Fd file = with_context([&] { return sys::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600); },
                                 "exporting {}", name);
    sys::write_all(file.get(), bytes);
    call.session.complain(fmt::format("Written file \"{}\"", path));
    return 0;
}

int import_context(Invocation& call) {
    const std::string &name = call.arguments.positional[0], &path = call.arguments.positional[1];
    check_context_name(name);
    const ContextStore store(call.session.configuration.directory());
    if (store.find(name))
        throw Error(ErrorKind::conflict,
                    "context \"{0}\" already exists: remove it with `context rm {0}`", name);
    Fd file;
    if (path != "-") file = sys::open(path, O_RDONLY);
    Packed packed =
        with_context([&] { return unpack(file ? file.get() : STDIN_FILENO); },
                     "reading {} as a context (a tar archive of `context export`)", path);
    packed.context.name = name;
    packed.context.metadata["Name"] = name;
    store.save(packed.context);
    store.save_tls(name, packed.tls);
    call.session.print_line(name);
    call.session.complain(fmt::format("Successfully imported context \"{}\"", name));
    return 0;
}

}  // namespace

const Command context_export_command{
    .name = "context export",
    .usage = "[OPTIONS] CONTEXT [FILE|-]",
    .summary = "Write a context to a tar archive or STDOUT",
    .args = between(1, 2),
    .run = export_context,
    .completes = Completes::contexts,
};

const Command context_import_command{
    .name = "context import",
    .usage = "CONTEXT FILE|-",
    .summary = "Make a context from what `context export` wrote",
    .args = exactly(2),
    .run = import_context,
};

}  // namespace hull::cli

#include "oci/manifest.hh"
#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/manifest_store.hh"
#include "cli/registry_ask.hh"
#include "cli/session.hh"
#include "oci/descriptor.hh"
#include "oci/reference.hh"

namespace hull::cli {
namespace {

constexpr Flag insecure_flag{"insecure", 0, FlagType::boolean,
                             "The registry may do without TLS, or have any certificate"};
constexpr Flag annotate_flags[] = {
    {"arch", 0, FlagType::text, "Architecture"},
    {"os", 0, FlagType::text, "Operating system"},
    {"os-features", 0, FlagType::strings, "Features of the operating system"},
    {"os-version", 0, FlagType::text, "Version of the operating system"},
    {"variant", 0, FlagType::text, "Variant of the architecture"},
};
constexpr Flag make_flags[] = {
    {"amend", 'a', FlagType::boolean, "Add to a manifest list that there is"},
    insecure_flag,
};
constexpr Flag inspect_flags[] = {
    insecure_flag,
    {"verbose", 'v', FlagType::boolean, "Show the platform and the layers, too"},
};
constexpr Flag push_flags[] = {
    insecure_flag,
    {"purge", 'p', FlagType::boolean, "Remove the local manifest list after the push"},
};

/// docker.io/library/busybox:latest
std::string canonical(const std::string& typed) {
    return oci::Reference::parse(typed).with_default_tag().canonical();
}

json::Value fetch(Session& session, const std::string& reference, bool insecure) {
    const auto parsed = oci::Reference::parse(reference);
    return ask_registry(
        session, reference,
        {{"ask", "manifest"},
         {"reference", parsed.digest().empty() ? parsed.tag() : parsed.digest().str()}},
        insecure);
}

oci::Descriptor describe(const json::Value& fetched) {
    oci::Descriptor descriptor;
    descriptor.media_type = fetched["mediaType"].as_string();
    descriptor.digest = oci::Digest::parse(fetched["digest"].as_string());
    descriptor.size = static_cast<std::int64_t>(fetched["text"].as_string().size());
    if (fetched["platform"].is_object())
        descriptor.platform = oci::parse_platform_json(fetched["platform"]);
    return descriptor;
}

/// The list that `manifest push` would send.
std::string make_list(const std::vector<json::Value>& entries) {
    oci::Index index;
    index.media_type = oci::media_type::docker_list;
    for (const json::Value& entry : entries) {
        oci::Descriptor descriptor = oci::parse_descriptor(entry["Descriptor"]);
        if (!descriptor.platform || descriptor.platform->architecture.empty() ||
            descriptor.platform->os.empty())
            throw Error(ErrorKind::invalid_argument,
                        "manifest {} must have an OS and Architecture to be pushed to a registry",
                        entry["Ref"].as_string());
        if (descriptor.media_type == oci::media_type::oci_manifest)
            index.media_type = oci::media_type::oci_index;
        index.manifests.push_back(std::move(descriptor));
    }
    return json::dump_indented(oci::to_json(index), 3);
}

json::Value verbose_view(const std::string& reference, const json::Value& fetched) {
    return json::Object{
        {"Ref", reference},
        {"Descriptor", oci::to_json(describe(fetched))},
        {fetched["mediaType"].as_string() == oci::media_type::oci_manifest ? "OCIManifest"
                                                                           : "SchemaV2Manifest",
         json::parse(fetched["text"].as_string())}};
}

void print_indented(Session& session, const json::Value& value) {
    std::string text = json::dump_indented(value, 4);
    // Docker indents with tabs.
    std::string with_tabs;
    bool at_start = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (at_start && text.compare(i, 4, "    ") == 0) {
            with_tabs += '\t';
            i += 3;
            continue;
        }
        at_start = text[i] == '\n';
        with_tabs += text[i];
    }
    session.print_line(with_tabs);
}

int run_inspect(Invocation& call) {
    Session& session = call.session;
    const std::vector<std::string>& names = call.arguments.positional;
    const bool verbose = call.arguments.flag("verbose");
    const bool insecure = call.arguments.flag("insecure");
    const ManifestStore store(session.configuration.directory());
    const std::string wanted = canonical(names.back());
    if (names.size() == 2) {
        const auto entry = store.find(canonical(names[0]), wanted);
        if (!entry) throw Error(ErrorKind::not_found, "No such manifest: {}", names[1]);
        print_indented(session, verbose ? *entry : json::parse((*entry)["Text"].as_string()));
        return 0;
    }
    if (store.has_list(wanted)) {
        if (verbose) {
            json::Array all;
            for (json::Value& entry : store.entries(wanted)) all.push_back(std::move(entry));
            print_indented(session, all);
        } else {
            print_indented(session, json::parse(make_list(store.entries(wanted))));
        }
        return 0;
    }
    const json::Value fetched = fetch(session, wanted, insecure);
    if (!verbose) {
        print_indented(session, json::parse(fetched["text"].as_string()));
        return 0;
    }
    if (!oci::is_index_type(fetched["mediaType"].as_string())) {
        print_indented(session, verbose_view(wanted, fetched));
        return 0;
    }
    json::Array all;
    const auto repository = oci::Reference::parse(wanted).without_tag_and_digest();
    for (const oci::Descriptor& entry : oci::parse_index(fetched["text"].as_string()).manifests) {
        const std::string reference = repository.with_digest(entry.digest).canonical();
        json::Value view = verbose_view(reference, fetch(session, reference, insecure));
        view["Descriptor"] = oci::to_json(entry);
        all.push_back(std::move(view));
    }
    print_indented(session, all);
    return 0;
}

int run_create(Invocation& call) {
    Session& session = call.session;
    const std::vector<std::string>& names = call.arguments.positional;
    ManifestStore store(session.configuration.directory());
    const std::string list = canonical(names[0]);
    if (store.has_list(list) && !call.arguments.flag("amend"))
        throw Error(ErrorKind::conflict,
                    "refusing to amend an existing manifest list with no --amend flag");
    std::vector<std::pair<std::string, json::Value>> entries;
    for (std::size_t i = 1; i < names.size(); ++i) {
        const std::string reference = canonical(names[i]);
        const json::Value fetched = fetch(session, reference, call.arguments.flag("insecure"));
        if (oci::is_index_type(fetched["mediaType"].as_string()))
            throw Error(ErrorKind::invalid_argument, "{} is a manifest list", names[i]);
        entries.emplace_back(reference,
                             json::Object{{"Ref", reference},
                                          {"Descriptor", oci::to_json(describe(fetched))},
                                          {"Text", fetched["text"]}});
    }
    for (const auto& [reference, entry] : entries) store.put(list, reference, entry);
    session.print_line("Created manifest list " + list);
    return 0;
}

int run_annotate(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const std::vector<std::string>& names = arguments.positional;
    ManifestStore store(call.session.configuration.directory());
    const std::string list = canonical(names[0]), reference = canonical(names[1]);
    auto entry = store.find(list, reference);
    if (!entry)
        throw Error(ErrorKind::not_found, "manifest for image {} does not exist in {}", names[1],
                    names[0]);
    oci::Descriptor descriptor = oci::parse_descriptor((*entry)["Descriptor"]);
    oci::Platform platform = descriptor.platform.value_or(oci::Platform{});
    if (arguments.given("arch")) platform.architecture = arguments.text("arch");
    if (arguments.given("os")) platform.os = arguments.text("os");
    if (arguments.given("variant")) platform.variant = arguments.text("variant");
    if (arguments.given("os-version")) platform.os_version = arguments.text("os-version");
    for (const std::string& feature : arguments.list("os-features"))
        platform.os_features.push_back(feature);
    descriptor.platform = platform;
    (*entry)["Descriptor"] = oci::to_json(descriptor);
    store.put(list, reference, *entry);
    return 0;
}

int run_push(Invocation& call) {
    Session& session = call.session;
    const std::string& typed = call.arguments.positional[0];
    ManifestStore store(session.configuration.directory());
    const std::string list = canonical(typed);
    if (!store.has_list(list)) throw Error(ErrorKind::not_found, "{} not found", typed);
    const auto entries = store.entries(list);
    const std::string text = make_list(entries);
    json::Array sources;
    for (const json::Value& entry : entries)
        sources.push_back(
            json::Object{{"repository", oci::Reference::parse(entry["Ref"].as_string()).name()},
                         {"digest", entry["Descriptor"]["digest"]}});
    const json::Value reply = ask_registry(session, list,
                                           {{"ask", "put"},
                                            {"reference", oci::Reference::parse(list).tag()},
                                            {"text", text},
                                            {"mediaType", json::parse(text)["mediaType"]},
                                            {"sources", std::move(sources)}},
                                           call.arguments.flag("insecure"));
    if (call.arguments.flag("purge")) store.remove(list);
    session.print_line(reply["digest"].as_string());
    return 0;
}

int run_remove(Invocation& call) {
    ManifestStore store(call.session.configuration.directory());
    int code = 0;
    for (const std::string& name : call.arguments.positional)
        if (!store.remove(canonical(name))) {
            call.session.complain("No such manifest: " + name);
            code = 1;
        }
    return code;
}

}  // namespace

const Command manifest_annotate_command{
    .name = "manifest annotate",
    .usage = "[OPTIONS] MANIFEST_LIST MANIFEST",
    .summary = "Say what platform a manifest of a local list is for",
    .args = exactly(2),
    .flags = annotate_flags,
    .run = run_annotate,
};

const Command manifest_create_command{
    .name = "manifest create",
    .usage = "MANIFEST_LIST MANIFEST [MANIFEST...]",
    .summary = "Make a local manifest list",
    .args = at_least(2),
    .flags = make_flags,
    .run = run_create,
};

const Command manifest_inspect_command{
    .name = "manifest inspect",
    .usage = "[OPTIONS] [MANIFEST_LIST] MANIFEST",
    .summary = "Show a manifest or a manifest list",
    .args = between(1, 2),
    .flags = inspect_flags,
    .run = run_inspect,
};

const Command manifest_push_command{
    .name = "manifest push",
    .usage = "[OPTIONS] MANIFEST_LIST",
    .summary = "Push a manifest list to its registry",
    .args = exactly(1),
    .flags = push_flags,
    .run = run_push,
};

const Command manifest_rm_command{
    .name = "manifest rm",
    .usage = "MANIFEST_LIST [MANIFEST_LIST...]",
    .summary = "Remove local manifest lists",
    .args = at_least(1),
    .run = run_remove,
};

}  // namespace hull::cli

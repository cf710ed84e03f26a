#include "base/error.hh"
#include "cli/commands.hh"
#include "cli/format.hh"
#include "cli/registry_ask.hh"
#include "cli/session.hh"
#include "oci/reference.hh"

namespace hull::cli {
namespace {

constexpr Flag flags[] = {
    {"artifact-type", 0, FlagType::text, "Show only artifacts of this type"},
    {"format", 0, FlagType::text, "'table', 'json', 'table TEMPLATE' or a Go TEMPLATE"},
    {"insecure", 0, FlagType::boolean, "The registry may do without TLS, or have any certificate"},
    {"quiet", 'q', FlagType::boolean, "Only show digests"},
};

constexpr Listing::Column columns[] = {
    {"Digest", "DIGEST"}, {"ArtifactType", "ARTIFACT TYPE"}, {"MediaType", "MEDIA TYPE"},
    {"Size", "SIZE"},     {"Annotations", "ANNOTATIONS"},
};

constexpr Listing listing{
    .type_name = "*manifest.referrersContext",
    .default_table = "table {{.Digest}}\t{{.ArtifactType}}\t{{.Size}}\t{{.Annotations}}",
    .quiet = "{{.Digest}}",
    .columns = columns,
};

std::string join_annotations(const json::Value& annotations) {
    std::string text;
    if (!annotations.is_object()) return text;
    for (const auto& [name, value] : annotations.as_object())
        text += (text.empty() ? "" : ",") + name + "=" + value.as_string();
    for (char& c : text)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    return text;
}

int run(Invocation& call) {
    const Arguments& arguments = call.arguments;
    const auto reference = oci::Reference::parse(arguments.positional[0]).with_default_tag();
    const json::Value found = ask_registry(
        call.session, reference.canonical(),
        {{"ask", "referrers"},
         {"reference", reference.digest().empty() ? reference.tag() : reference.digest().str()},
         {"artifactType", arguments.text("artifact-type")}},
        arguments.flag("insecure"));
    std::vector<Row> rows;
    for (const json::Value& item : found["referrers"].as_array())
        rows.push_back({json::Object{
            {"Digest", item["digest"]},
            {"ArtifactType", item["artifactType"].is_string() ? item["artifactType"] : ""},
            {"MediaType", item["mediaType"]},
            {"Size", human_size(static_cast<double>(item["size"].as_int()), 3)},
            {"Annotations", join_annotations(item["annotations"])},
        }});
    call.session.print(
        format_listing(listing, arguments.text("format"), arguments.flag("quiet"), rows));
    return 0;
}

}  // namespace

const Command manifest_referrers_command{
    .name = "manifest referrers",
    .usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
    .summary = "List what refers to a manifest: signatures, SBOMs and other artifacts",
    .args = exactly(1),
    .flags = flags,
    .run = run,
};

}  // namespace hull::cli

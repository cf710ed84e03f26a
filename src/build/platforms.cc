// Builds for several platforms: one index of what each makes.
#include "base/error.hh"
#include "base/hash.hh"
#include "base/text.hh"
#include "build/build.hh"
#include "build/provenance.hh"
#include "engine/files_run.hh"
#include "oci/platform.hh"
#include "oci/reference.hh"

#include <algorithm>

namespace hull::build {

namespace {

/// Each once; the machine's own comes first: what it pulls gets the names.
std::vector<std::string> list_platforms(const std::string& text) {
    std::vector<std::string> platforms;
    if (text.empty()) return {oci::host_platform().str()};
    for (const std::string& part : split(text, ',')) {
        std::string platform = oci::parse_platform(trim(part)).str();
        if (std::find(platforms.begin(), platforms.end(), platform) == platforms.end())
            platforms.push_back(std::move(platform));
    }
    std::stable_partition(platforms.begin(), platforms.end(), [](const std::string& platform) {
        return oci::match(oci::host_platform(), oci::parse_platform(platform)) > 0;
    });
    return platforms;
}

constexpr std::size_t record_digits = 12;

}  // namespace

BuildResult Builder::build_index(const BuildRequest& request, const Context& context,
                                 const Sink& sink, StopEvent& stop, StopEvent& cancelled) {
    const std::vector<std::string> platforms = list_platforms(request.platform);
    image::NewIndex index;
    index.references = request.tags;
    for (const Annotation& annotation : request.annotations)
        if (annotation.place == Annotation::Place::index)
            index.annotations[annotation.name] = annotation.value;
    BuildResult result;
    std::vector<store::Lease> leases;
    for (const std::string& platform : platforms) {
        BuildRequest part = request;
        part.platform = platform;
        part.is_part = true;
        if (&platform != &platforms.front()) {
            // What was pulled for the first has an index that names the others.
            part.pull = false;
            part.tells_more = false;
            if (!request.record_id.empty())
                part.record_id = sha256_hex(request.record_id + platform).substr(0, record_digits);
        }
        if (platforms.size() > 1) {
            api::ProgressMessage message;
            message.stream = fmt::format("Platform {}\n", platform);
            sink(message);
            if (request.tells_more) {
                api::ProgressMessage record;
                record.aux = json::Object{{"Record", part.record_id}};
                sink(record);
            }
        }
        const BuildResult made = Build(*this, part, context, sink, stop, cancelled).run();
        leases.push_back(images_.lease_image(*images_.get_image(made.image_id)));
        image::NewIndex::Member& member = index.members.emplace_back(
            image::NewIndex::Member{{made.image_id, made.digest}, {}, {}});
        for (const Annotation& annotation : request.annotations)
            if (annotation.place == Annotation::Place::manifest_descriptor &&
                (annotation.platform.empty() ||
                 oci::parse_platform(annotation.platform).str() == platform))
                member.annotations[annotation.name] = annotation.value;
        if (!made.provenance.is_null()) {
            member.statements.push_back(
                {std::string(provenance_type),
                 provenance_statement(request.tags, platform, made.digest, made.provenance)});
            if (result.provenance.is_null()) result.provenance = made.provenance;
        }
        result.parts.push_back({platform, made.image_id, made.digest});
        result.tags = made.tags;
    }
    const image::AddedIndex added = images_.add_index(index);
    result.image_id = added.image_id;
    result.digest = added.digest;
    return result;
}

void Builder::export_rootfs(const std::vector<image::ImagePointer>& images, bool splits,
                            int output_fd, StopEvent& stop) {
    engine::FilesCommand command;
    command.program = join(options_.programs, "hull-files");
    command.request.verb = files::Verb::copy;
    command.request.rootfs = store_.prepare_rootfs({}, "", "");
    command.request.container = "build";
    command.request.scratch = join(options_.data_root, "build/scratch");
    command.output_fd = output_fd;
    std::vector<store::Lease> leases;
    for (const image::ImagePointer& image : images) {
        leases.push_back(images_.lease_image(*image));
        std::string directory = image->config.platform.str();
        std::replace(directory.begin(), directory.end(), '/', '_');
        files::CopyPlan& plan = command.request.copies.emplace_back();
        plan.source_layers = store_.prepare_rootfs(image->diff_ids, "", "");
        plan.paths = {"/"};
        plan.literal = true;
        plan.destination = splits ? "/" + directory + "/" : "/";
        plan.look_below = false;
        plan.keep_owner = plan.keep_links = true;
        plan.mtime_s = image->created_ns / 1'000'000'000;
    }
    engine::run_files(
        command, [](const auto&) {}, &stop);
}

}  // namespace hull::build

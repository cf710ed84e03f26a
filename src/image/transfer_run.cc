#include "image/transfer_run.hh"

#include "base/error.hh"
#include "base/json.hh"
#include "base/lines.hh"
#include "base/log.hh"
#include "base/process.hh"
#include "base/sys.hh"
#include "oci/digest.hh"
#include "oci/reference.hh"

#include <csignal>
#include <optional>
#include <set>

namespace hull::image {

namespace {

constexpr std::size_t max_line_bytes = 1UL << 20;
constexpr std::size_t max_messages = 100'000;
constexpr int first_extra_fd = 10;
constexpr int exit_grace_ms = 5000;

/// Turns messages into the report, one line at a time.
class Messages {
public:
    Messages(const std::function<void(std::string_view)>& progress,
             const std::function<bool(const json::Value&)>& first)
        : progress_(progress), first_(first) {}

    void take(std::string_view line) {
        const json::Value message = json::parse(line);
        if (first_ && first_(message)) return;
        if (++count_ > max_messages)
            throw Error(ErrorKind::data_loss, "hull-transfer sends too many messages");
        if (message["blob"].is_object()) take_blob(message["blob"]);
        if (message["layer"].is_object()) take_layer(message["layer"]);
        if (message["image"].is_object()) take_image(message["image"]);
        if (message["progress"].is_string() && progress_)
            progress_(message["progress"].as_string());
        if (message["warning"].is_string()) log::warning("{}", message["warning"].as_string());
        if (message["error"].is_object()) {
            const json::Value& error = message["error"];
            error_ = Error(parse_error_kind(error["kind"].as_string()), "{}",
                           error["message"].as_string());
        }
        if (message["done"].is_bool()) done_ = message["done"].as_bool();
    }

    bool done() const { return done_; }
    const std::optional<Error>& error() const { return error_; }

    TransferReport finish() {
        for (auto& blob : report_.content.blobs) {
            const auto media_type = layer_types_.find(blob.digest);
            blob.verify =
                media_type == layer_types_.end();  // manifests, configs: we will parse them
            if (blob.media_type.empty() && media_type != layer_types_.end())
                blob.media_type = media_type->second;
        }
        return std::move(report_);
    }

private:
    void take_blob(const json::Value& blob) {
        const std::string digest = oci::Digest::parse(blob["digest"].as_string()).str();
        if (!blobs_.insert(digest).second) return;
        report_.content.blobs.push_back(
            {digest, blob["mediaType"].is_string() ? blob["mediaType"].as_string() : "",
             blob["file"].as_string(), blob["size"].as_uint(), true});
    }

    void take_layer(const json::Value& layer) {
        const std::string diff_id = oci::Digest::parse(layer["diffID"].as_string()).str();
        if (layer["blob"].is_string())
            layer_types_[oci::Digest::parse(layer["blob"].as_string()).str()] =
                layer["mediaType"].is_string() ? layer["mediaType"].as_string() : "";
        if (!layers_.insert(diff_id).second) return;
        report_.layers.push_back(
            {diff_id, layer["blob"].is_string() ? layer["blob"].as_string() : "",
             layer["mediaType"].is_string() ? layer["mediaType"].as_string() : "",
             layer["contentSize"].is_number() ? layer["contentSize"].as_uint() : 0,
             layer["entries"].is_number() ? layer["entries"].as_uint() : 0});
        if (!layer["file"].is_string() || layer["file"].as_string().empty()) {
            report_.present_layers.push_back(diff_id);
            return;
        }
        report_.content.layers.push_back(
            {diff_id, layer["file"].as_string(), layer["contentSize"].as_uint()});
    }

    void take_image(const json::Value& image) {
        TransferReport::Image& entry = report_.images.emplace_back();
        entry.config = oci::Digest::parse(image["config"].as_string()).str();
        entry.manifest = oci::Digest::parse(image["manifest"].as_string()).str();
        if (image["digest"].is_string())
            entry.digest = oci::Digest::parse(image["digest"].as_string()).str();
        for (const std::string& tag : image["tags"].as_strings())
            entry.references.push_back(oci::Reference::parse(tag).with_default_tag().canonical());
    }

    const std::function<void(std::string_view)>& progress_;
    const std::function<bool(const json::Value&)>& first_;
    TransferReport report_;
    std::set<std::string> blobs_, layers_;
    std::map<std::string, std::string> layer_types_;  ///< by digest of the layer's blob
    std::optional<Error> error_;
    bool done_ = false;
    std::size_t count_ = 0;
};

}  // namespace

TransferReport run_transfer(const TransferCommand& command,
                            const std::function<void(std::string_view line)>& progress,
                            StopEvent* stop) {
    sys::Pipe channel = sys::pipe();
    const Fd null = sys::open("/dev/null", O_RDWR);
    Command spawn;
    spawn.arguments = {command.program, command.verb, "--staging",
                       command.staging, "--uid",      std::to_string(command.uid)};
    spawn.arguments.insert(spawn.arguments.end(), command.arguments.begin(),
                           command.arguments.end());
    spawn.environment.emplace();
    spawn.descriptors = {
        {command.input_fd >= 0 ? command.input_fd : null.get(), 0},
        {command.output_fd >= 0 ? command.output_fd : null.get(), 1},
        {channel.write_end.get(), 3},
    };
    for (std::size_t i = 0; i < command.extra_fds.size(); ++i)
        spawn.descriptors.push_back({command.extra_fds[i], first_extra_fd + static_cast<int>(i)});
    spawn.new_session = true;
    Process process = Process::spawn(spawn);  // killed and reaped when anything below throws
    channel.write_end.reset();

    Messages messages(progress, command.on_message);
    read_lines(channel.read_end.get(), stop, max_line_bytes, [&](std::string_view line) {
        with_context([&] { messages.take(line); }, "message of hull-transfer");
    });
    std::optional<ExitStatus> status = process.wait_for(exit_grace_ms);
    if (!status) {
        process.signal(SIGKILL);
        status = process.wait();
    }
    if (messages.error()) throw *messages.error();
    if (status->signal)
        throw Error(ErrorKind::internal, "hull-transfer was killed by signal {}", status->signal);
    if (status->code != 0 || !messages.done())
        throw Error(ErrorKind::internal, "hull-transfer ended with exit code {} before it was done",
                    status->code);
    return messages.finish();
}

json::Value ask_transfer(TransferCommand command, const json::Value& request, StopEvent* stop) {
    const Fd input = make_memory_file("request", json::dump(request));
    json::Value result;
    command.input_fd = input.get();
    command.on_message = [&](const json::Value& message) {
        if (message["result"].is_null()) return false;
        result = message["result"];
        return true;
    };
    run_transfer(command, nullptr, stop);
    if (!result.is_object())
        throw Error(ErrorKind::data_loss, "hull-transfer ended without an answer");
    return result;
}

}  // namespace hull::image

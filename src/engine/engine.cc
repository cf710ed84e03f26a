#include "engine/engine.hh"

#include "base/error.hh"
#include "engine/fsck.hh"
#include "engine/implementation.hh"

namespace hull::engine {

Engine::Engine(Options options, image::Images& images, store::Store& store,
               network::Networks& networks, db::Database& database)
    : implementation_(std::make_unique<Implementation>(std::move(options), images, store, networks,
                                                       database)) {}

Engine::~Engine() = default;

Created Engine::create_container(const std::string& name, const api::CreateRequest& request) {
    return implementation_->create(name, request);
}
Created Engine::create_step(const StepRequest& request) {
    return implementation_->create_step(request);
}
void Engine::read_step_layer(const std::string& id, const StepLayerOptions& options, int output_fd,
                             StopEvent& stop) {
    implementation_->read_step_layer(id, options, output_fd, stop);
}
void Engine::start_container(const std::string& name, const std::string& detach_keys) {
    implementation_->start(name, detach_keys);
}
std::string Engine::stop_container(const std::string& name,
                                   const std::optional<std::string>& signal,
                                   std::optional<int> timeout_s) {
    return implementation_->stop(name, signal, timeout_s);
}
void Engine::restart_container(const std::string& name, const std::optional<std::string>& signal,
                               std::optional<int> timeout_s) {
    implementation_->restart(name, signal, timeout_s);
}
void Engine::kill_container(const std::string& name, const std::string& signal) {
    implementation_->kill(name, signal);
}
void Engine::drain_container(const std::string& name) { implementation_->drain(name); }
void Engine::pause_container(const std::string& name) { implementation_->pause(name, true); }
void Engine::unpause_container(const std::string& name) { implementation_->pause(name, false); }
void Engine::rename_container(const std::string& name, const std::string& new_name) {
    implementation_->rename(name, new_name);
}
void Engine::remove_container(const std::string& name, const RemoveOptions& options) {
    implementation_->remove(name, options);
}
PruneReport Engine::prune_containers(const Filters& filters, bool dry_run) {
    return implementation_->prune(filters, dry_run);
}
std::vector<std::string> Engine::update_container(const std::string& name,
                                                  const api::HostConfig& changes,
                                                  const PortChanges& ports) {
    return implementation_->update(name, changes, ports);
}
std::uint64_t Engine::layer_bytes() { return implementation_->layer_bytes(); }
RecreateReport Engine::recreate_container(const std::string& name, const RecreateRequest& request) {
    return implementation_->recreate(name, request);
}
void Engine::reload(Reloaded options, std::map<std::string, std::string> attributes) {
    implementation_->reload(std::move(options), std::move(attributes));
}
void Engine::shut_down(int timeout_s) { implementation_->shut_down(timeout_s); }
FsckReport Engine::fsck(bool repair, bool verify) { return implementation_->fsck(repair, verify); }
Secrets& Engine::secrets() { return implementation_->secrets; }
VolumeService& Engine::volumes() { return implementation_->volumes; }
Waiter Engine::wait_container(const std::string& name, const std::string& condition) {
    return implementation_->wait(name, condition);
}
void Engine::attach_container(const std::string& name, const AttachOptions& options,
                              const Upgrade& upgrade) {
    implementation_->attach(name, options, upgrade);
}
FollowedLog Engine::container_logs(const std::string& name, const task::LogQuery& query) {
    return implementation_->logs(name, query);
}
std::map<std::string, std::string> Engine::container_log_attributes(const std::string& name) {
    return implementation_->container_log_attributes(name);
}
void Engine::resize_container(const std::string& name, unsigned short rows,
                              unsigned short columns) {
    implementation_->resize(name, rows, columns);
}
std::vector<api::ContainerSummary> Engine::list_containers(const ListOptions& options) {
    return implementation_->list(options);
}
api::ContainerInspect Engine::inspect_container(const std::string& name, bool size) {
    return implementation_->inspect(name, size);
}
api::TopResponse Engine::top_container(const std::string& name, const std::string& ps_arguments) {
    return implementation_->top(name, ps_arguments);
}
void Engine::container_stats(const std::string& name, const StatsQuery& query,
                             const std::function<void()>& begin,
                             const std::function<bool(const api::ContainerStats&)>& sink,
                             StopEvent& stop) {
    implementation_->stats(name, query, begin, sink, stop);
}
std::vector<Engine::ImageUse> Engine::list_image_users(const std::string& image_id) {
    return implementation_->image_users(image_id);
}
files::PathStat Engine::stat_path(const std::string& name, const std::string& path,
                                  StopEvent& stop) {
    return implementation_->stat_path(name, path, stop);
}
void Engine::read_path(const std::string& name, const std::string& path,
                       const std::function<void(const files::PathStat&)>& begin, int output_fd,
                       StopEvent& stop) {
    implementation_->read_path(name, path, begin, output_fd, stop);
}
void Engine::write_path(const std::string& name, const std::string& path,
                        const WritePathOptions& options, int input_fd, StopEvent& stop) {
    implementation_->write_path(name, path, options, input_fd, stop);
}
void Engine::export_container(const std::string& name, const std::function<void()>& begin,
                              int output_fd, StopEvent& stop) {
    implementation_->export_root(name, begin, output_fd, stop);
}
std::string Engine::list_changes(const std::string& name, StopEvent& stop) {
    return implementation_->changes(name, stop);
}
std::string Engine::commit_container(const std::string& name, const CommitRequest& request,
                                     StopEvent& stop) {
    return implementation_->commit(name, request, stop);
}
std::string Engine::create_exec(const std::string& name, const api::ExecCreateRequest& request) {
    return implementation_->create_exec(name, request);
}
void Engine::start_exec(const std::string& exec_id, const ExecStartOptions& options,
                        const Upgrade& upgrade) {
    implementation_->start_exec(exec_id, options, upgrade);
}
api::ExecInspect Engine::inspect_exec(const std::string& exec_id) {
    return implementation_->inspect_exec(exec_id);
}
void Engine::resize_exec(const std::string& exec_id, unsigned short rows, unsigned short columns) {
    implementation_->resize_exec(exec_id, rows, columns);
}
api::NetworkInspect Engine::create_network(const api::NetworkCreateRequest& request) {
    return implementation_->create_network(request);
}
void Engine::remove_network(const std::string& name) { implementation_->remove_network(name); }
std::vector<api::NetworkInspect> Engine::list_networks(const Filters& filters) {
    return implementation_->list_networks(filters);
}
api::NetworkInspect Engine::inspect_network(const std::string& name) {
    return implementation_->inspect_network(name);
}
std::vector<std::string> Engine::prune_networks(const Filters& filters, bool dry_run) {
    return implementation_->prune_networks(filters, dry_run);
}
void Engine::connect_network(const std::string& network, const std::string& container,
                             const api::EndpointSettings& settings) {
    implementation_->connect_network(network, container, settings);
}
void Engine::disconnect_network(const std::string& network, const std::string& container) {
    implementation_->disconnect_network(network, container);
}
api::SystemInfo Engine::info() { return implementation_->info(); }
api::SystemVersion Engine::version() { return implementation_->version(); }
std::unique_ptr<EventFeed> Engine::follow_events(const EventQuery& query) {
    return implementation_->events.follow(query);
}
void Engine::publish_event(std::string_view type, std::string_view action,
                           const std::string& actor_id,
                           const std::map<std::string, std::string>& attributes) {
    api::EventMessage event;
    event.type = type;
    event.action = action;
    event.actor = {actor_id, attributes};
    implementation_->events.publish(std::move(event));
}

}  // namespace hull::engine

#include "api/types/network_json.hh"
#include "api/types/stats.hh"

namespace hull::api {

template <typename Visitor>
void fields(Visitor& visit, Of<CpuUsage> auto& value) {
    visit("total_usage", value.total_usage);
    visit.omit_empty("percpu_usage", value.percpu_usage);
    visit("usage_in_kernelmode", value.usage_in_kernelmode);
    visit("usage_in_usermode", value.usage_in_usermode);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ThrottlingData> auto& value) {
    visit("periods", value.periods);
    visit("throttled_periods", value.throttled_periods);
    visit("throttled_time", value.throttled_time);
}

template <typename Visitor>
void fields(Visitor& visit, Of<CpuStats> auto& value) {
    visit("cpu_usage", value.cpu_usage);
    visit.omit_empty("system_cpu_usage", value.system_cpu_usage);
    visit.omit_empty("online_cpus", value.online_cpus);
    visit("throttling_data", value.throttling_data);
}

template <typename Visitor>
void fields(Visitor& visit, Of<PidsStats> auto& value) {
    visit.omit_empty("current", value.current);
    visit.omit_empty("limit", value.limit);
}

template <typename Visitor>
void fields(Visitor& visit, Of<MemoryStats> auto& value) {
    visit.omit_empty("usage", value.usage);
    visit.omit_empty("max_usage", value.max_usage);
    visit.omit_empty("stats", value.stats);
    visit.omit_empty("failcnt", value.failcnt);
    visit.omit_empty("limit", value.limit);
}

template <typename Visitor>
void fields(Visitor& visit, Of<BlkioEntry> auto& value) {
    visit("major", value.major);
    visit("minor", value.minor);
    visit("op", value.op);
    visit("value", value.value);
}

template <typename Visitor>
void fields(Visitor& visit, Of<InterfaceStats> auto& value) {
    visit("rx_bytes", value.rx_bytes);
    visit("rx_packets", value.rx_packets);
    visit("rx_errors", value.rx_errors);
    visit("rx_dropped", value.rx_dropped);
    visit("tx_bytes", value.tx_bytes);
    visit("tx_packets", value.tx_packets);
    visit("tx_errors", value.tx_errors);
    visit("tx_dropped", value.tx_dropped);
}

template <typename Visitor>
void fields(Visitor& visit, Of<BlkioStats> auto& value) {
    visit("io_service_bytes_recursive", value.io_service_bytes_recursive);
    visit("io_serviced_recursive", value.io_serviced_recursive);
}

template <typename Visitor>
void fields(Visitor& visit, Of<ContainerStats> auto& value) {
    visit("read", value.read);
    visit("preread", value.preread);
    visit("pids_stats", value.pids_stats);
    visit("cpu_stats", value.cpu_stats);
    visit("precpu_stats", value.precpu_stats);
    visit("memory_stats", value.memory_stats);
    visit("name", value.name);
    visit("id", value.id);
    visit.omit_empty("networks", value.networks);
}

json::Value to_json(const ContainerStats& value) {
    detail::Writer writer;
    fields(writer, value);
    detail::Writer block_io;
    fields(block_io, value.blkio_stats);
    for (const char* gone :
         {"io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive",
          "io_merged_recursive", "io_time_recursive", "sectors_recursive"})
        block_io.object.append(gone, json::Value());  // counters of CFQ, which kernel 5.0 removed
    writer.object.append("blkio_stats", std::move(block_io.object));
    // Numbers that only Windows has.
    writer.object.append("num_procs", 0);
    writer.object.append("storage_stats", json::Object{});
    return std::move(writer.object);
}

void from_json(const json::Value& json, ContainerStats& value) {
    detail::Reader reader(json.as_object());
    fields(reader, value);
    reader("blkio_stats", value.blkio_stats);
}

}  // namespace hull::api

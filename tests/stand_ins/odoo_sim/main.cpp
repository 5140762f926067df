#include <csignal>
#include <iostream>
#include <optional>
#include <sstream>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "tests/stand_ins/odoo_sim/server.hpp"

namespace {

using namespace millrace::stand_ins;

constexpr int usage_exit_code = 2;

struct CommandLine {
    SimulatorOptions simulator;
    ServerOptions server;
    std::optional<std::size_t> cold_calls;
    std::vector<std::string> products;
    std::vector<std::string> workcenters;
};

void add_options(CLI::App& app, CommandLine& line) {
    app.add_option("--port", line.server.port, "Port on 127.0.0.1; 0 picks a free one");
    app.add_option(
        "--control-port", line.server.control_port, "Port of the controls; 0: a free one");
    app.add_option("--workers", line.server.workers, "Calls at a time; the others wait")
        ->capture_default_str()
        ->check(CLI::Range(1, 64));
    auto* const cert = app.add_option(
        "--tls-cert", line.server.tls_cert, "PEM file: Odoo's port speaks TLS with it");
    auto* const key = app.add_option("--tls-key", line.server.tls_key, "PEM file of its key");
    cert->needs(key);
    key->needs(cert);
    app.add_option("--db", line.simulator.database, "Name of the database")->capture_default_str();
    app.add_option("--login", line.simulator.login, "The user that may call")
        ->capture_default_str();
    app.add_option("--key", line.simulator.key, "That user's API key")->capture_default_str();
    app.add_option("--admin-key", line.simulator.administrator_key, "The administrator's API key")
        ->capture_default_str();
    app.add_option("--odoo-version", line.simulator.version, "From 19 on there is /json/2")
        ->capture_default_str()
        ->check(CLI::Range(18, 21));
    app.add_option("--seed", line.simulator.seed, "Seed of the faults that strike a share")
        ->capture_default_str();
    app.add_option("--latency", line.simulator.latency, "none, or as measured on a real server")
        ->transform(CLI::CheckedTransformer(std::map<std::string, Latency>{
            {"none", Latency::none}, {"measured", Latency::measured}}));
    app.add_option("--cold-calls",
                   line.cold_calls,
                   "So many calls after each start take 0.9 to 2.4 s more; as many as workers with "
                   "measured latency, else none");
    app.add_option("--products", line.products, "Products that exist, separated by commas")
        ->delimiter(',');
    app.add_option("--workcenters", line.workcenters, "Work centres that exist")->delimiter(',');
    app.footer(
        "Controls, as JSON on the control port:\n"
        "  POST /sim/mode    {\"mode\":\"down\",\"for_ms\":2000,\"share\":1.0}\n"
        "                    up down slow conflict late_conflict database_down out_of_slots "
        "pool_full\n"
        "                    drop_after_commit worker_killed; conflicts and database_down take "
        "a \"class\"\n"
        "  POST /sim/user    {\"archived\":true,\"key_expired\":false,\"email\":true,"
        "\"utc_offset_minutes\":60}\n"
        "  POST /sim/hide    {\"model\":\"stock.lot\",\"id\":7,\"show\":false}: a record rule\n"
        "  POST /sim/result  {\"model\":\"sale.order\",\"method\":\"action_confirm\","
        "\"result\":null}\n"
        "  POST /sim/next    {\"model\":\"stock.scrap\",\"method\":\"action_validate\","
        "\"after\":0,\"wizard\":true}\n"
        "                    does nothing; instead of a wizard it can raise the \"class\" of a "
        "conflict\n"
        "  POST /sim/records {\"model\":\"product.product\",\"values\":{\"name\":\"CH-9\"}}\n"
        "  POST /sim/write   {\"model\":\"stock.lot\",\"id\":7,\"values\":{\"note\":\"x\"}}\n"
        "  POST /sim/unlink  {\"model\":\"sale.order\",\"id\":7}; these take \"roll_back\":true\n"
        "                    and \"takes_ms\":3000: others see it so much later than its "
        "write_date\n"
        "  POST /sim/webhooks "
        "{\"model\":\"sale.order\",\"url\":\"http://127.0.0.1:7118/v1/hooks/odoo\","
        "\"fields\":[\"write_date\"],\"on_unlink\":false,\"trigger_fields\":false}\n"
        "  POST /sim/forget  {\"model\":\"product.product\",\"name\":\"CH-9\"}\n"
        "  POST /sim/refuse  {\"product\":\"CH-9\",\"allow\":false}\n"
        "  GET  /sim/records?model=M   /sim/journal?model=M&after=N   /sim/stats\n"
        "Example:\n  millrace-odoo-sim --port 8069 --products 'Cable Head,Nut' --latency measured");
}

void seed(Simulator& simulator, const char* model, const std::vector<std::string>& names) {
    auto& database = simulator.database();
    database.begin();
    for (const auto& name : names) {
        (void)database.create(model, {{"name", name}});
    }
    database.commit();
}

int serve(const CommandLine& line) {
    const millrace::SystemClock clock;
    auto options = line.simulator;
    options.cold_calls =
        line.cold_calls.value_or(options.latency == Latency::measured ? line.server.workers : 0);
    Simulator simulator(options, clock);
    seed(simulator, "product.product", line.products);
    seed(simulator, "mrp.workcenter", line.workcenters);
    boost::asio::io_context context(1);
    Server server(context, simulator, line.server);
    const auto ports = server.listen();
    std::cout << "millrace-odoo-sim on " << (line.server.tls_cert.empty() ? "http" : "https")
              << "://127.0.0.1:" << ports.odoo << ", controls on http://127.0.0.1:" << ports.control
              << std::endl;
    boost::asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](const boost::system::error_code&, int) { context.stop(); });
    context.run();
    return 0;
}

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what the output refuses ends the program
int main(int argc, char** argv) {
    CLI::App app{"A stand-in for Odoo 18 that answers on JSON-RPC as a real one was measured to."};
    CommandLine line;
    add_options(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : usage_exit_code;
    }
    try {
        return serve(line);
    } catch (const std::exception& error) {
        std::cerr << "millrace-odoo-sim: " << error.what() << '\n';
        return 1;
    }
}

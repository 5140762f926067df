# Presets with CMAKE_UNITY_BUILD compile several sources of a target as one, in half the time. Sources whose private names another source
# of their target has too are compiled alone. Included last, when the targets are there, and by those presets only: that of the fuzzers
# lacks some of the targets.

# Most of their time is for headers that all their sources read.
set_target_properties(millrace_cli_lib millrace_client millrace_cluster millrace_delivery millrace_http millrace_odoo_core
  millrace_protocol millrace_shard millrace_storage millrace_wire PROPERTIES UNITY_BUILD_BATCH_SIZE 20)

# unity_alone(TARGET file...): paths from the top.
function(unity_alone target)
  foreach(file IN LISTS ARGN)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/${file} TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
endfunction()
unity_alone(millrace_delivery
  broker/delivery/jobs/job_runner.cpp)
unity_alone(millrace_odoo_core
  broker/odoo/transport/http_exchange.cpp)
unity_alone(millrace_http
  broker/gateways/http/records/publisher.cpp)
unity_alone(millraced
  broker/node.cpp)
unity_alone(consensus_unit
  tests/unit/consensus/group_test.cpp
  tests/unit/consensus/members_test.cpp)
unity_alone(http_unit
  tests/unit/http/problem_test.cpp)
unity_alone(odoo_unit
  tests/unit/odoo/source/sweep_test.cpp
  tests/unit/odoo/tools/field_compare_test.cpp
  tests/unit/odoo/tools/reconcile_test.cpp)
unity_alone(storage_unit
  tests/unit/storage/read_all_test.cpp
  tests/unit/storage/recovery_test.cpp
  tests/unit/storage/shard_store_test.cpp)
unity_alone(client_unit
  tests/unit/client/subscription_test.cpp)
unity_alone(kill_test
  tests/integration/kill/duplicates_test.cpp)

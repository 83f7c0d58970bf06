/** \file comity.h
 *  Comity: federated learning over MPI, in C. Rank 0 serves, the other ranks hold data; what travels is a
 * flat vector of model parameters. This header includes all others in the order in which the data flows;
 * comity/round.h runs a whole job.
 */
#ifndef COMITY_H
#define COMITY_H

#include <comity/core.h>

#include <comity/identity.h>

#include <comity/fault.h>

#include <comity/comm.h>

#include <comity/config.h>

#include <comity/kernel.h>

#include <comity/data.h>

#include <comity/model.h>

#include <comity/algorithm.h>

#include <comity/train.h>

#include <comity/aggregate.h>

#include <comity/server.h>

#include <comity/checkpoint.h>

#include <comity/metrics.h>

#include <comity/round.h>

#endif

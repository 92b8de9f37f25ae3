/**
 * CommonJS packages that `require` Nest's ES modules in a cycle fail under jest with
 * "Cannot require() ES Module … in a cycle". Loading the ES modules first, once, breaks the cycle.
 */
import 'reflect-metadata';
import '@nestjs/common';
import '@nestjs/core';
import '@nestjs/swagger';
